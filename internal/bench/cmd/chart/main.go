// Chart draws what benchmarks found: it reads the output of go test -bench from its
// standard input, and writes benchmarks.svg and benchmarks.md into a folder.
package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/distlock/distlock-go/internal/bench/chart"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: chart FOLDER < OUTPUT-OF-GO-TEST-BENCH")
		os.Exit(2)
	}
	if err := run(os.Stdin, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "chart:", err)
		os.Exit(1)
	}
}

// run writes both files, or none.
func run(in io.Reader, folder string) error {
	figures, err := chart.Read(in)
	if err != nil {
		return err
	}
	panels, err := chart.Panels(figures)
	if err != nil {
		return err
	}
	var svg, page bytes.Buffer
	if err := chart.Write(&svg, panels); err != nil {
		return err
	}
	machine := fmt.Sprintf("%d processors (%s), %s, %s", runtime.NumCPU(), figures.CPU, runtime.GOOS, runtime.Version())
	if err := chart.WritePage(&page, figures, time.Now(), machine); err != nil {
		return err
	}
	for name, content := range map[string]*bytes.Buffer{"benchmarks.svg": &svg, "benchmarks.md": &page} {
		if err := os.WriteFile(filepath.Join(folder, name), content.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}
