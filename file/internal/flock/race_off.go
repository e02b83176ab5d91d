//go:build !race

package flock

func (f *File) acquired()  {}
func (f *File) releasing() {}
