package chart

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// WritePage writes a page with all that was found, the median of each figure.
// Machine describes where.
func WritePage(w io.Writer, f *Figures, day time.Time, machine string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Benchmarks\n\nMade by `make chart` on %s: %s, which clients and servers shared.\n", day.Format(time.DateOnly), machine)
	b.WriteString("Each figure is the median of three runs, of Contended one: a ratio is that of its run, and need not be the quotient of two medians. Compare figures of one benchmark with each other, not with those of another machine.\n")
	b.WriteString("What each benchmark does is said where it is written, in [`internal/bench`](../internal/bench).\n\n![distlock beside its peers](benchmarks.svg)\n")
	var last Figure
	for _, one := range f.All {
		if one.Unit == "ns/op" {
			continue // go test's own, of benchmarks that measure something else.
		}
		if one.Backend != last.Backend {
			if last.Backend != "" {
				b.WriteString(" |\n")
			}
			fmt.Fprintf(&b, "\n## %s\n\n| benchmark | figures |\n|---|---|\n", one.Backend)
			last = Figure{}
		}
		switch {
		case one.Benchmark == last.Benchmark:
			b.WriteString(" · ")
		case last.Benchmark != "":
			b.WriteString(" |\n")
			fallthrough
		default:
			fmt.Fprintf(&b, "| %s | ", one.Benchmark)
		}
		fmt.Fprintf(&b, "%s\u00a0%s", significant(one.Median()), one.Unit)
		last = one
	}
	if last.Backend != "" {
		b.WriteString(" |\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// significant prints three digits at least, and no exponent.
func significant(v float64) string {
	switch {
	case v >= 100 || v == float64(int64(v)):
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}
