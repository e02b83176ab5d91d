//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd)

package page

import "github.com/distlock/distlock-go/file/internal/flock"

// Maps says that pages are mapped here, where the file system can do that.
const Maps = false

// Map returns the page of f, which is not mapped here.
func Map(f *flock.File) (*Page, error) { return Copy(f), nil }

// Fit does nothing: a copy of a page does without the page.
func Fit(*flock.File) error { return nil }

// Repair does nothing: a copy of a page does without the page.
func Repair(*flock.File) error { return nil }

// Close does nothing.
func (p *Page) Close() error { return nil }
