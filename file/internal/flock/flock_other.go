//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd || windows)

package flock

import (
	"errors"
	"io/fs"
)

// A File cannot be had on this platform.
type File struct{}

func openAsIs(string) (*File, error)            { return nil, errors.ErrUnsupported }
func create(string, fs.FileMode) (*File, error) { return nil, errors.ErrUnsupported }
func transient(error) bool                      { return false }

// The methods of a File that is never open.

func (f *File) TryLock(bool) (bool, error)         { return false, errors.ErrUnsupported }
func (f *File) Unlock() error                      { return errors.ErrUnsupported }
func (f *File) Stands() error                      { return errors.ErrUnsupported }
func (f *File) Named() error                       { return errors.ErrUnsupported }
func (f *File) Remove() error                      { return errors.ErrUnsupported }
func (f *File) Ring()                              {}
func (f *File) Path() string                       { return "" }
func (f *File) Size() (int64, error)               { return 0, errors.ErrUnsupported }
func (f *File) Sync() error                        { return errors.ErrUnsupported }
func (f *File) ReadAt([]byte, int64) (int, error)  { return 0, errors.ErrUnsupported }
func (f *File) WriteAt([]byte, int64) (int, error) { return 0, errors.ErrUnsupported }
func (f *File) Close() error                       { return errors.ErrUnsupported }
