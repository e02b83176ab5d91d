package distlock

import (
	"context"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/distlock/distlock-go/file"
)

// FileProvider and FileOptions are those of package file.
type (
	FileProvider = file.Provider
	FileOptions  = file.Options
)

// NewFile returns a provider whose locks are files in dir; see [file.New].
func NewFile(dir string, opts *FileOptions) (*FileProvider, error) { return file.New(dir, opts) }

// parseFile reads a file: URL.
func parseFile(a *address, opts Options) (opener, error) {
	if a.user != nil || len(a.hosts) > 1 || len(a.hosts) == 1 && a.hosts[0] != "localhost" {
		return nil, invalid("file: URLs have no host; write file:///directory, or file:directory for a relative one")
	}
	if a.path == "" || len(a.hosts) == 1 && a.path == "/" {
		return nil, invalid("the directory is missing; write file:///directory, or file:directory for a relative one")
	}
	dir := filepath.FromSlash(a.path)
	if runtime.GOOS == "windows" && len(a.path) > 2 && a.path[2] == ':' {
		dir = strings.TrimPrefix(dir, `\`) // of /C:/directory
	}
	o := file.Options{Owner: opts.Owner, Observer: opts.Observer}
	if err := a.apply(fileParams(&o)); err != nil {
		return nil, err
	}
	return func(context.Context) (Provider, error) { return provide(file.New(dir, &o)) }, nil
}

func fileParams(o *FileOptions) []param {
	return []param{
		mode("mode", &o.Mode),
		boolean("polling", &o.Polling),
		duration("poll_interval", &o.PollInterval),
		duration("check_interval", &o.CheckInterval),
		number("idle_files", &o.IdleFiles),
		number("handoff_count", &o.LocalHandoff.Count),
		duration("handoff_for", &o.LocalHandoff.For),
	}
}
