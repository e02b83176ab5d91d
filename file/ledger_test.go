package file

import (
	"errors"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/file/internal/flock"
)

// crowd has many acquire new names while another process keeps the ledger, and
// returns when one of them waits for it.
func crowd(t *testing.T, patience time.Duration) (*Provider, <-chan error) {
	t.Helper()
	dir := t.TempDir()
	p := provider(t, dir, nil)
	p.ledger.patience = patience
	release(t, try(t, p.NewLock("a")))
	f, err := flock.Open(filepath.Join(dir, ledgerName), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if ok, err := f.TryLock(false); !ok || err != nil {
		t.Fatal(ok, err)
	}
	results := make(chan error, crowded)
	for i := range crowded {
		go func() {
			_, err := p.NewLock(strconv.Itoa(i)).TryAcquire(t.Context())
			results <- err
		}()
	}
	eventually(t, "somebody waits for the ledger", func() bool { return len(p.ledger.turn) == 1 })
	return p, results
}

const crowded = 20

// Those who wait for a ledger that a stopped process has locked do not wait for each
// other.
func TestPatienceIsThatOfAll(t *testing.T) {
	const patience = 300 * time.Millisecond
	start := time.Now()
	_, errs := crowd(t, patience)
	for range crowded {
		if err := <-errs; !errors.Is(err, core.ErrUnavailable) {
			t.Errorf("%v, want ErrUnavailable", err)
		}
	}
	if took := time.Since(start); took < patience || took > crowded*patience/2 {
		t.Errorf("all of them have waited for %v; the patience is %v", took, patience)
	}
}

// Close does not wait for the ledger.
func TestCloseDoesNotWaitForTheLedger(t *testing.T) {
	p, errs := crowd(t, time.Hour)
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	for range crowded {
		if err := <-errs; !errors.Is(err, core.ErrClosed) || errors.Is(err, core.ErrUnavailable) {
			t.Errorf("%v, want ErrClosed alone", err)
		}
	}
}
