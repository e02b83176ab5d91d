//go:build unix

package testenv

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
)

// Ports are drawn from below every system's range for outgoing connections. A
// server that is down must find its port free when it comes back, and a client
// that keeps dialling a port inside that range ends up connected to itself.
// A Redis Cluster's second port is 10000 above the first, so both ranges count.
const (
	firstPort = 12000
	lastPort  = 21999
	busOffset = 10000
)

// freePort returns a port of 127.0.0.1 that nobody listened on a moment ago.
func freePort() (int, error) {
	for range 200 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		if bindable(port) && bindable(port+busOffset) {
			return port, nil
		}
	}
	return 0, errors.New("testenv: no free port found")
}

func bindable(port int) bool {
	listener, err := net.Listen("tcp", address(port))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

func address(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// withPort runs start with free ports until one does not turn out to be taken by
// another process in the meantime, which start tells by errPortTaken.
func withPort(start func(port int) error) error {
	var err error
	for range 5 {
		port, perr := freePort()
		if perr != nil {
			return perr
		}
		if err = start(port); !errors.Is(err, errPortTaken) {
			return err
		}
	}
	return fmt.Errorf("testenv: lost the race for a port five times: %w", err)
}

var errPortTaken = errors.New("testenv: port taken")

// portTaken returns errPortTaken if a server's log says so.
func portTaken(log string) error {
	if strings.Contains(log, "in use") { // EADDRINUSE: "Address already in use".
		return errPortTaken
	}
	return nil
}
