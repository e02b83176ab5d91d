//go:build !unix

package locktest

var canStop = need{"processes cannot be stopped on this system", func(*Harness, *view) bool { return false }}

func (p *process) stop() {}
func (p *process) goOn() {}
