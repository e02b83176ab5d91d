package chart

import (
	"cmp"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"

	"golang.org/x/perf/benchfmt"
)

// A Figure is what one benchmark found by one measure.
type Figure struct {
	Backend   string // the folder of the benchmark under internal/bench
	Benchmark string // its name, without Benchmark and the number of processors
	Unit      string // the measure, as the benchmark calls it
	Values    []float64
}

// Median is the middle one of the values, or the mean of the two in the middle.
func (f Figure) Median() float64 {
	v := slices.Sorted(slices.Values(f.Values))
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}

// Figures are all that was found, in the order in which it was met.
type Figures struct {
	All []Figure
	CPU string // as the go command tells it
}

// Of returns a figure by name.
func (f *Figures) Of(backend, benchmark, unit string) (Figure, error) {
	for _, one := range f.All {
		if one.Backend == backend && one.Benchmark == benchmark && one.Unit == unit {
			return one, nil
		}
	}
	return Figure{}, fmt.Errorf("no %s of %s %s: has the benchmark been run?", unit, backend, benchmark)
}

var processors = regexp.MustCompile(`-\d+$`)

// Read reads the output of go test -bench.
func Read(r io.Reader) (*Figures, error) {
	var found Figures
	reader := benchfmt.NewReader(r, "benchmarks")
	for reader.Scan() {
		result, ok := reader.Result().(*benchfmt.Result)
		if !ok {
			continue // A line that is no result, such as a log's.
		}
		found.CPU = cmp.Or(found.CPU, result.GetConfig("cpu"))
		for _, v := range result.Values {
			unit, value := v.Unit, v.Value
			if v.OrigUnit != "" { // Seconds were made of what we called microseconds.
				unit, value = v.OrigUnit, v.OrigValue
			}
			found.add(path.Base(result.GetConfig("pkg")), processors.ReplaceAllString(string(result.Name), ""), unit, value)
		}
	}
	return &found, reader.Err()
}

func (f *Figures) add(backend, benchmark, unit string, value float64) {
	for i := range f.All {
		if one := &f.All[i]; one.Backend == backend && one.Benchmark == benchmark && one.Unit == unit {
			one.Values = append(one.Values, value)
			return
		}
	}
	f.All = append(f.All, Figure{backend, benchmark, unit, []float64{value}})
}
