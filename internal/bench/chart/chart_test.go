package chart

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// output is what go test prints for every figure of the chart: thrice, the medians
// being 1000 for ours and 3000 for all others, and a line of a log between.
func output() string {
	var b strings.Builder
	b.WriteString("goos: linux\ncpu: Some CPU\n")
	for _, c := range contests {
		fmt.Fprintf(&b, "pkg: example.com/internal/bench/%s\n", c.backend)
		for _, s := range c.bars {
			for _, off := range []int{-500, 700, 0} {
				v := 3000
				if s.kind == Ours {
					v = 1000
				}
				fmt.Fprintf(&b, "Benchmark%s-2 \t 100\t 12.5 ns/op\t %d %s\n    bench_test.go:12: a word\n", s.benchmark, v+off, s.unit)
			}
		}
	}
	return b.String() + "PASS\n"
}

func read(t *testing.T, s string) *Figures {
	t.Helper()
	f, err := Read(strings.NewReader(s))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestPanels(t *testing.T) {
	panels, err := Panels(read(t, output()))
	if err != nil {
		t.Fatal(err)
	}
	if len(panels) != len(contests) {
		t.Errorf("%d panels", len(panels))
	}
	for _, p := range panels {
		for _, bar := range p.Bars {
			if want := map[bool]float64{true: 1000, false: 3000}[bar.Kind == Ours]; bar.Value != want {
				t.Errorf("%s: %s has %v, want the median %v", p.Title, bar.Label, bar.Value, want)
			}
		}
	}
}

// TestMissing: a benchmark that was not run is named.
func TestMissing(t *testing.T) {
	_, err := Panels(read(t, strings.ReplaceAll(output(), "BenchmarkContended/redsync", "BenchmarkOther")))
	if err == nil || !strings.Contains(err.Error(), "Contended/redsync") {
		t.Error(err)
	}
}

// TestSVG: the drawing is well-formed, and its bars are as long as their values say.
func TestSVG(t *testing.T) {
	panels := []Panel{{Title: `a & b <c>`, Number: "%.0f", Bars: []Bar{{"us", Ours, 1234}, {"them", Peer, 12340}, {"nothing", Bare, 0}}}}
	var b strings.Builder
	if err := Write(&b, panels); err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(strings.NewReader(b.String())); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{`width="19.6"`, `width="196.0"`, `width="2.0"`, "1\u202f234<", "12\u202f340<", "a &amp; b &lt;c&gt;"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
}

func TestPage(t *testing.T) {
	found := "pkg: x/redis\nBenchmarkA-2 1 5 ns/op 1.234 x 12.34 y\nBenchmarkB-2 1 5 ns/op 1234 z\npkg: x/file\nBenchmarkA-2 1 0 ns/op 3 µs\n"
	var b strings.Builder
	if err := WritePage(&b, read(t, found), time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), "a machine"); err != nil {
		t.Fatal(err)
	}
	_, tables, _ := strings.Cut(b.String(), "\n## ")
	want := "redis\n\n| benchmark | figures |\n|---|---|\n| A | 1.23\u00a0x · 12.3\u00a0y |\n| B | 1234\u00a0z |\n\n## file\n\n| benchmark | figures |\n|---|---|\n| A | 3\u00a0µs |\n"
	if tables != want || !strings.Contains(b.String(), "on 2026-01-02: a machine") {
		t.Errorf("%s\nwant its tables\n%s", b.String(), want)
	}
}
