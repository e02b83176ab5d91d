package chart

// A Panel is one contest: the bars of one benchmark.
type Panel struct {
	Title  string
	Note   string // the unit, and which way is better
	Number string // how to print a figure
	Bars   []Bar
}

// A Bar is one contender.
type Bar struct {
	Label string
	Kind  Kind
	Value float64
}

// A Kind is what a bar stands for.
type Kind int

// Ours is distlock, Peer another library, and Bare the protocol without a library,
// which is the bound.
const (
	Peer Kind = iota
	Ours
	Bare
)

// A contest names where the figures of a panel are found.
type contest struct {
	backend, title, note, number string
	bars                         []source
}

type source struct {
	label     string
	kind      Kind
	benchmark string
	unit      string
}

const (
	lower  = ", lower is better"
	higher = ", higher is better"
)

// contests are the panels of the chart, in order.
var contests = []contest{
	{"redis", "Redis: a hand-over, 10 ms round trip", "p50, in round trips" + lower, "%.2f", peers("HandOver", "p50-round-trips")},
	{"redis", "Redis: 64 callers for one lock, held 1 ms", "p99 of the wait, in ms" + lower, "%.0f", peers("Contended", "p99-ms")},
	{"redis", "Redis: 64 callers with a lock each", "acquired and released a second" + higher, "%.0f", turns("Distinct", "pairs/s")},
	{"redlock", "RedLock of 3: 24 callers for one lock, held 1 ms", "p99 of the wait, in ms" + lower, "%.0f", []source{
		{"distlock", Ours, "Contended/redlock", "p99-ms"},
		{"redsync", Peer, "Contended/redsync", "p99-ms"},
	}},
	{"postgres", "PostgreSQL: 256 callers with a lock each", "acquired and released a second" + higher, "%.0f", []source{
		{"distlock, 1 connection", Ours, "Throughput", "pairs/s"},
		{"pgxpool, 256 connections", Bare, "Throughput", "pool-pairs/s"},
	}},
	{"postgres", "PostgreSQL: a hand-over", "p50, in µs" + lower, "%.0f", []source{
		{"distlock", Ours, "HandOver/local", "hand-over-us"},
		{"pg_advisory_lock", Bare, "HandOver/local", "bare-us"},
	}},
	{"file", "Files: a hand-over between processes", "p50, in µs" + lower, "%.0f", []source{
		{"distlock", Ours, "Handover", "distlock-p50-µs"},
		{"gofrs/flock", Peer, "Handover", "gofrs-p50-µs"},
		{"flock(2)", Bare, "Handover", "flock-p50-µs"},
	}},
	{"file", "Files: acquire and release", "p50, in ns" + lower, "%.0f", []source{
		{"distlock, with a token", Ours, "Pair", "lock-p50-ns"},
		{"gofrs/flock", Peer, "Pair", "gofrs-p50-ns"},
		{"flock(2)", Bare, "Pair", "bare-p50-ns"},
	}},
}

// peers are the lockers of internal/bench/redis.
func peers(benchmark, unit string) []source {
	var bars []source
	for _, name := range []string{"distlock", "rueidislock", "redsync", "redislock"} {
		s := source{name, Peer, benchmark + "/" + name, unit}
		if name == "distlock" {
			s.kind = Ours
		}
		bars = append(bars, s)
	}
	return bars
}

// turns are they in a benchmark where they take turns.
func turns(benchmark, unit string) []source {
	bars := peers(benchmark, unit)
	for i, s := range bars {
		bars[i].benchmark, bars[i].unit = benchmark, s.label+"-"+unit
	}
	return bars
}

// Panels returns the panels of the chart.
func Panels(f *Figures) ([]Panel, error) {
	var panels []Panel
	for _, c := range contests {
		p := Panel{Title: c.title, Note: c.note, Number: c.number}
		for _, s := range c.bars {
			figure, err := f.Of(c.backend, s.benchmark, s.unit)
			if err != nil {
				return nil, err
			}
			p.Bars = append(p.Bars, Bar{s.label, s.kind, figure.Median()})
		}
		panels = append(panels, p)
	}
	return panels, nil
}
