package main

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/distlock/distlock-go/distlock"
)

// A Telemetry is an observer that makes metrics and spans of events. Names of
// locks are in spans only: in a metric, each would be a time series of its own.
type Telemetry struct {
	tracer trace.Tracer
	wait   metric.Float64Histogram // distlock.acquire.duration, in seconds
	hold   metric.Float64Histogram // distlock.hold.duration, in seconds
	held   metric.Int64UpDownCounter
	events metric.Int64Counter // everything else, by type
}

// NewTelemetry makes the instruments.
func NewTelemetry(tracer trace.Tracer, meter metric.Meter) (*Telemetry, error) {
	t := &Telemetry{tracer: tracer}
	var errs [4]error
	t.wait, errs[0] = meter.Float64Histogram("distlock.acquire.duration", metric.WithUnit("s"), metric.WithDescription("from the call to its outcome"))
	t.hold, errs[1] = meter.Float64Histogram("distlock.hold.duration", metric.WithUnit("s"), metric.WithDescription("from the grant to the end of the hold"))
	t.held, errs[2] = meter.Int64UpDownCounter("distlock.held", metric.WithUnit("{hold}"), metric.WithDescription("holds of this process"))
	t.events, errs[3] = meter.Int64Counter("distlock.events", metric.WithUnit("{event}"), metric.WithDescription("other events"))
	return t, errors.Join(errs[:]...)
}

// Observe implements distlock.Observer.
func (t *Telemetry) Observe(ctx context.Context, e distlock.Event) {
	where := []attribute.KeyValue{attribute.String("distlock.backend", e.Backend), attribute.String("distlock.kind", string(e.Kind))}
	outcome := func(s string) metric.MeasurementOption {
		return metric.WithAttributes(append(where, attribute.String("distlock.outcome", s))...)
	}
	switch e.Type {
	case distlock.EventAcquired:
		t.wait.Record(ctx, e.Duration.Seconds(), outcome("acquired"))
		t.held.Add(ctx, 1, metric.WithAttributes(where...))
		t.span(ctx, "distlock.acquire", e)
	case distlock.EventNotAcquired:
		t.wait.Record(ctx, e.Duration.Seconds(), outcome(reason(e.Err)))
		t.span(ctx, "distlock.acquire", e)
	case distlock.EventReleased, distlock.EventLost, distlock.EventAbandoned:
		t.hold.Record(ctx, e.Duration.Seconds(), outcome(string(e.Type)))
		t.held.Add(ctx, -1, metric.WithAttributes(where...))
		t.span(ctx, "distlock.hold", e)
	default:
		t.events.Add(ctx, 1, metric.WithAttributes(append(where, attribute.String("distlock.event", string(e.Type)))...))
	}
}

// reason is the outcome of an acquire that failed.
func reason(err error) string {
	switch {
	case errors.Is(err, distlock.ErrNotAcquired):
		return "held_elsewhere"
	case errors.Is(err, distlock.ErrUnavailable):
		return "unavailable"
	}
	return "failed"
}

// span records what has just ended, as a child of the span in ctx.
func (t *Telemetry) span(ctx context.Context, name string, e distlock.Event) {
	end := time.Now()
	_, span := t.tracer.Start(ctx, name, trace.WithTimestamp(end.Add(-e.Duration)), trace.WithAttributes(
		attribute.String("distlock.name", e.Name),
		attribute.Int64("distlock.token", int64(e.Token)),
	))
	if e.Err != nil {
		span.RecordError(e.Err)
		span.SetStatus(codes.Error, string(e.Type))
	}
	span.End(trace.WithTimestamp(end))
}
