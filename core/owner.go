package core

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode"
)

// An Owner tells who holds a lock or waits for it. It is for people and logs:
// no decision about exclusion rests on it.
type Owner struct {
	Program string `json:"program,omitempty"`
	Host    string `json:"host,omitempty"`
	PID     int    `json:"pid,omitempty"`
}

// ThisProcess returns the owner that providers use unless their options say
// otherwise: this program's base name, host and process id.
func ThisProcess() Owner {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return Owner{Program: filepath.Base(os.Args[0]), Host: host, PID: os.Getpid()}
}

// String returns the owner as "program (pid 42) on host". Whoever can take part can
// say what it likes there, so a character that could steer a terminal or begin a line
// of a log is shown as "?".
func (o Owner) String() string {
	if o == (Owner{}) {
		return "an unknown owner"
	}
	program := o.Program
	if program == "" {
		program = "a process"
	}
	s := program
	if o.PID != 0 {
		s = fmt.Sprintf("%s (pid %d)", program, o.PID)
	}
	if o.Host != "" {
		s += " on " + o.Host
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, s)
}
