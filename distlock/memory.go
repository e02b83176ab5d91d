package distlock

import (
	"context"

	"github.com/distlock/distlock-go/core/memory"
)

// MemoryProvider and MemoryOptions are those of package core/memory.
type (
	MemoryProvider = memory.Provider
	MemoryOptions  = memory.Options
)

// NewMemory returns a provider whose locks are in the memory of this process,
// for tests and examples; see [memory.New].
func NewMemory(opts *MemoryOptions) (*MemoryProvider, error) { return memory.New(opts) }

// parseMemory reads a mem: URL.
func parseMemory(a *address, opts Options) (opener, error) {
	if a.user != nil || len(a.hosts) > 0 || a.path != "" {
		return nil, invalid("mem: takes neither a host nor a path: its locks are in this process and no other")
	}
	o := memory.Options{Owner: opts.Owner, Observer: opts.Observer}
	if err := a.apply(memoryParams(&o)); err != nil {
		return nil, err
	}
	return func(context.Context) (Provider, error) { return provide(memory.New(&o)) }, nil
}

func memoryParams(o *MemoryOptions) []param {
	return []param{duration("lease", &o.Lease)}
}
