// Package redistest holds the tests of the redis module that need a server of
// their own to stop, pause, starve and cut off, or that count and lose what goes
// over the wire.
package redistest
