package file

import (
	"testing"
)

// BenchmarkPair is an acquire and a release of what nobody else wants.
func BenchmarkPair(b *testing.B) {
	p, err := New(b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	ctx := b.Context()
	b.Run("Lock", func(b *testing.B) {
		l := p.NewLock("a")
		b.ReportAllocs()
		for b.Loop() {
			h, err := l.Acquire(ctx)
			if err != nil {
				b.Fatal(err)
			}
			if err := h.Release(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Reader", func(b *testing.B) {
		l := p.NewRWLock("a")
		b.ReportAllocs()
		for b.Loop() {
			h, err := l.AcquireRead(ctx)
			if err != nil {
				b.Fatal(err)
			}
			if err := h.Release(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Permit", func(b *testing.B) {
		l := p.NewSemaphore("a", 4)
		b.ReportAllocs()
		for b.Loop() {
			h, err := l.Acquire(ctx)
			if err != nil {
				b.Fatal(err)
			}
			if err := h.Release(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
}
