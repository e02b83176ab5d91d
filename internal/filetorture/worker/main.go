//go:build linux

// Command worker is one process of a torture of the file backend. Its argument is
// its job, in JSON.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/distlock/distlock-go/internal/filetorture"
)

func main() {
	var job filetorture.Job
	err := json.Unmarshal([]byte(os.Args[1]), &job)
	if err == nil {
		err = filetorture.Work(job)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
