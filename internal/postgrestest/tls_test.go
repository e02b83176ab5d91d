//go:build unix

package postgrestest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/testenv"
)

// TLS comes from the connection string: a server that proves its name is locked
// on, over TLS, and one that cannot is refused.
func TestTLS(t *testing.T) {
	certificate, key := selfSigned(t, net.IPv4(127, 0, 0, 1))
	stranger, _ := selfSigned(t, net.IPv4(127, 0, 0, 1))
	elsewhere, elsewhereKey := selfSigned(t, net.IPv4(127, 0, 0, 99))
	pg := server(t, testenv.PostgresConfig{TLS: &testenv.PostgresTLS{Certificate: certificate, Key: key}})
	plain := server(t, testenv.PostgresConfig{})
	other := server(t, testenv.PostgresConfig{TLS: &testenv.PostgresTLS{Certificate: elsewhere, Key: elsewhereKey}})

	p := open(t, verified(t, pg.URL(), certificate), nil)
	h := acquire(t, p.NewLock("a"))
	c := connect(t, pg.URL())
	if !query[bool](t, c, "select bool_and(ssl) from pg_stat_ssl join pg_stat_activity using (pid) where application_name like 'distlock %'") {
		t.Error("a session does not use TLS")
	}
	// Waits have sessions of their own, and cancelling one a connection of its own.
	q := open(t, verified(t, pg.URL(), certificate), nil)
	waitsAndLeaves(t, c, q.NewLock("a"))
	release(t, h)

	for name, dsn := range map[string]string{
		"another authority":    verified(t, pg.URL(), stranger),
		"another name":         verified(t, other.URL(), elsewhere),
		"a server without TLS": verified(t, plain.URL(), certificate),
	} {
		t.Run(name, func(t *testing.T) { fails(t, dsn, nil, core.ErrUnavailable) })
	}
}

// verified returns the URL of a server with sslmode=verify-full and one authority.
func verified(t testing.TB, serverURL, authority string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "authority.crt")
	if err := os.WriteFile(file, []byte(authority), 0o600); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(serverURL)
	if err != nil {
		t.Fatal(err)
	}
	u.RawQuery = url.Values{"sslmode": {"verify-full"}, "sslrootcert": {file}}.Encode()
	return u.String()
}

// selfSigned makes a certificate for an address, and its key.
func selfSigned(t testing.TB, ip net.IP) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "distlock test " + ip.String()},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{ip},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}
