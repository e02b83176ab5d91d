package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/distlock/distlock-go/distlock"
)

// open opens the backend that the flag, the environment or the default names.
// owner is the program that others will see as a holder.
func open(ctx context.Context, flag, owner string) (distlock.Provider, error) {
	target, err := backendURL(flag)
	if err != nil {
		return nil, err
	}
	me := distlock.ThisProcess()
	if owner != "" {
		me.Program = owner
	}
	return distlock.OpenWith(ctx, target, &distlock.Options{Owner: me})
}

// backendURL returns the URL of the backend to use.
func backendURL(flag string) (string, error) {
	target := flag
	if target == "" {
		target = os.Getenv("DISTLOCK_URL")
	}
	if target == "" {
		dir, err := defaultDir()
		if err != nil {
			return "", err
		}
		return fileURL(dir), nil
	}
	if scheme, _, _ := strings.Cut(target, ":"); strings.EqualFold(scheme, "mem") {
		return "", &exitError{code: codeUsage, err: fmt.Errorf("the backend is %s: its locks exclude nobody outside this process", target)}
	}
	return target, nil
}

// defaultDir returns the directory of the user's locks. It must be the same for
// a login shell, a cron job and a service of that user, outlast a reboot so that
// tokens keep growing, and not be swept while a lock is held: so it is not the
// runtime directory, which only a login has and loses, nor a cache.
func defaultDir() (string, error) {
	dir, err := stateDir()
	if err != nil {
		return "", &exitError{code: codeUnavailable, err: fmt.Errorf(
			"there is no directory for the locks of this user (%w); name one with --backend file:///directory or DISTLOCK_URL", err)}
	}
	return filepath.Join(dir, "distlock", "locks"), nil
}

// stateDir returns where programs keep what should outlast them:
// XDG_STATE_HOME by the XDG base directory specification, and what comes nearest
// elsewhere.
func stateDir() (string, error) {
	switch runtime.GOOS {
	case "windows":
		return os.UserCacheDir() // %LocalAppData%: not roaming
	case "darwin", "ios":
		return os.UserConfigDir() // ~/Library/Application Support
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		u, err2 := user.Current()
		if err2 != nil {
			return "", fmt.Errorf("%w; %w", err, err2)
		}
		home = u.HomeDir
	}
	if !filepath.IsAbs(home) {
		return "", fmt.Errorf("the home directory is %q", home)
	}
	return filepath.Join(home, ".local", "state"), nil
}

// fileURL returns the URL of a directory.
func fileURL(dir string) string {
	path := filepath.ToSlash(dir)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/locks
	}
	u := url.URL{Scheme: "file", Path: path}
	return strings.ReplaceAll(u.String(), "@", "%40")
}
