// Package simredis is a Redis server in virtual time: as much of one as the scripts
// of the library need, which run as they are. It exists for tests in testing/synctest
// bubbles, where a real server and its clock cannot be.
//
// A [Server] is one step at a time, as Redis is. A client is the driver's own, but
// for its connections: what it sends goes by way of a function of the test, which may
// lose it, or keep it for a while.
package simredis
