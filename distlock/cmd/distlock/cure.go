package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"net"

	"github.com/distlock/distlock-go/postgres"
)

// cure says in plain words what to do about an error of the network or the
// system, or "". The errors of the backends say it themselves.
func cure(err error) string {
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, name := errors.AsType[x509.HostnameError](err)
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	dns, noName := errors.AsType[*net.DNSError](err)
	timeout, timed := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, postgres.ErrPooler):
		return "name the server itself in the URL; or, if the pooler pools sessions, add allow_pooler=true to it"
	case errors.Is(err, postgres.ErrStandby):
		return "name all hosts in the URL, and add target_session_attrs=primary to it"
	case noName && dns.IsNotFound:
		return "nobody knows a host of that name; check its spelling"
	case noName:
		return "the name of the host could not be looked up; is the network there?"
	case errors.Is(err, errRefused):
		return "nothing listens at that address; is the server running, and is the port right?"
	case errors.Is(err, errNoHost), errors.Is(err, errNoNet):
		return "there is no way to that address from this machine"
	case name:
		return "the certificate is for another name; connect by the name that it is for"
	case certificate:
		return "the server's certificate is not trusted here; name the one that signed it (ca=FILE for Redis, sslrootcert=FILE for PostgreSQL)"
	case noTLS:
		return "the server does not speak TLS on that port; use redis: instead of rediss:"
	case errors.Is(err, io.EOF), errors.Is(err, errReset):
		return "the server hung up; does it expect TLS, or is it something else that listens there?"
	case errors.Is(err, context.DeadlineExceeded), timed && timeout.Timeout():
		return "there was no answer in time; is a firewall between, is the address right, is the server overloaded?"
	case errors.Is(err, fs.ErrPermission):
		return "this user has no right to use the directory or a file in it; see to its owner and mode (mode=0660 in the URL shares new files with the group)"
	case errors.Is(err, errDiskFull):
		return "the disk is full"
	case errors.Is(err, errReadOnly):
		return "the file system is read-only; name another directory"
	}
	return ""
}
