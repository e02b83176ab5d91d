package postgres

import (
	"errors"
	"strings"
	"testing"

	"github.com/distlock/distlock-go/core"
)

// A password that was not escaped is not taken for a database, which errors name.
func TestOpenRefusesAPasswordThatIsNotEscaped(t *testing.T) {
	for _, dsn := range []string{
		"postgres://127.0.0.1:1/s3cret@db/app",
		"postgresql://127.0.0.1:1/s3cret@db/app",
		"postgres://app:12/s3cret@127.0.0.1:1/app",
		"postgres://app:12@127.0.0.1:1/s3cret@db/app",
		"postgres://127.0.0.1:1/x?s3cret=@db/app",
		"postgres://127.0.0.1:1/x#s3cret@db/app",
	} {
		_, err := Open(t.Context(), dsn, nil)
		if !errors.Is(err, core.ErrInvalid) || !strings.Contains(err.Error(), "%2F") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("Open(%q): %v; want ErrInvalid with advice, and no password", dsn, err)
		}
	}
}

// An "@" elsewhere is none of its business.
func TestOpenTakesAnAtSign(t *testing.T) {
	for _, dsn := range []string{
		"postgres://app:p%2Fw@127.0.0.1:1/a%40b?user=a%40b",
		"postgres://app:p?w#@127.0.0.1:1/app",
		"postgres://app@127.0.0.1:1",
		"host=127.0.0.1 port=1 user=a@b password=x/://y@z",
	} {
		if _, err := Open(t.Context(), dsn, nil); !errors.Is(err, core.ErrUnavailable) {
			t.Errorf("Open(%q): %v; want ErrUnavailable, since nobody is there", dsn, err)
		}
	}
}
