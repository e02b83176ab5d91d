// Otel shows an observer that tells OpenTelemetry what happens to locks, as
// metrics and as spans. Telemetry, in the file beside this one, can be copied;
// here its output goes to the terminal instead of to a collector.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/distlock/distlock-go/distlock"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	reader, spans := metric.NewManualReader(), tracetest.NewSpanRecorder()
	meters := metric.NewMeterProvider(metric.WithReader(reader))
	tracers := trace.NewTracerProvider(trace.WithSpanProcessor(spans))
	telemetry, err := NewTelemetry(tracers.Tracer("distlock"), meters.Meter("distlock"))
	if err != nil {
		return err
	}
	p, err := distlock.OpenWith(ctx, cmp.Or(os.Getenv("DISTLOCK_URL"), "mem:"), &distlock.Options{Observer: telemetry})
	if err != nil {
		return err
	}
	defer p.Close()

	// The spans of a lock belong to the work that needs it.
	ctx, work := tracers.Tracer("app").Start(ctx, "nightly report")
	lock := p.NewLock("example otel")
	err = distlock.Do(ctx, lock, func(ctx context.Context) error {
		if _, err := lock.TryAcquire(ctx); !errors.Is(err, distlock.ErrNotAcquired) {
			return fmt.Errorf("a second holder: %w", err)
		}
		return nil
	})
	work.End()
	if err != nil {
		return err
	}
	for _, s := range spans.Ended() {
		if s.Parent().SpanID() == work.SpanContext().SpanID() {
			fmt.Printf("a span of the work: %s, status %v\n", s.Name(), s.Status().Code)
		}
	}
	return report(ctx, reader)
}

// report prints what a collector would get.
func report(ctx context.Context, reader metric.Reader) error {
	var all metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &all); err != nil {
		return err
	}
	var lines []string
	for _, m := range all.ScopeMetrics[0].Metrics {
		switch data := m.Data.(type) {
		case metricdata.Histogram[float64]:
			for _, point := range data.DataPoints {
				outcome, _ := point.Attributes.Value("distlock.outcome")
				lines = append(lines, fmt.Sprintf("%s (%s) %s: %d", m.Name, m.Unit, outcome.AsString(), point.Count))
			}
		case metricdata.Sum[int64]:
			if m.Name == "distlock.held" {
				lines = append(lines, fmt.Sprintf("%s %s: %d", m.Name, m.Unit, data.DataPoints[0].Value))
			}
		}
	}
	slices.Sort(lines)
	for _, line := range lines {
		fmt.Println(line)
	}
	return nil
}
