//go:build unix

package testenv

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
)

// install installs the family's Debian packages, without what they recommend and
// without starting the services that they bring: the tests have servers of their
// own.
func install(ctx context.Context, f family) error {
	fmt.Fprintf(os.Stderr, "testenv: installing %v\n", f.packages)
	allow, err := denyServices("/usr/sbin/policy-rc.d")
	if err != nil {
		return err
	}
	defer allow()
	get := []string{"-o", "DPkg::Lock::Timeout=600", "-y", "-q", "--no-install-recommends", "install"}
	if err := apt(ctx, append(get, f.packages...)...); err == nil {
		return nil
	}
	// The package lists may be missing or old.
	if err := apt(ctx, "-q", "update"); err != nil {
		return err
	}
	return apt(ctx, append(get, f.packages...)...)
}

func apt(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "apt-get", args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("apt-get %v: %w\n%s", args, err, out)
	}
	return nil
}

// denyServices has Debian's packages start no service, by the file that they ask
// (invoke-rc.d(8)), until allow is called. A file that is there already is the
// administrator's word and stays.
func denyServices(policy string) (allow func(), err error) {
	file, err := os.OpenFile(policy, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return func() {}, nil
	}
	if err != nil {
		return nil, err
	}
	_, err = file.WriteString("#!/bin/sh\nexit 101\n")
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	return func() { _ = os.Remove(policy) }, nil
}
