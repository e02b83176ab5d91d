// Package faultproxy is a TCP proxy that misbehaves on command.
//
// It stands between a client and a server that a test started, and lets the
// test decide what the network does: add delay to each way, stall it and let it
// go on, lose what one side says, reset connections, refuse new ones, and do
// any of it at an exact place of the conversation through a [Hook]. It also
// counts round trips, so that "one round trip to acquire" is an assertion and
// not a hope.
//
//	proxy := faultproxy.New(t, server.Addr())
//	client := dial(proxy.Addr())
//
//	before := proxy.Turns()
//	acquire(client)
//	if n := proxy.Turns() - before; n != 1 {
//		t.Errorf("acquire took %d round trips, want 1", n)
//	}
//
//	// The server carries the next release out, but its reply never arrives.
//	proxy.SetHook(faultproxy.OnRequest("EVALSHA", faultproxy.ForwardThenCut))
//
// The proxy knows no protocol. Its unit is the chunk: what one read from a
// socket returned. A client that writes a request in one call is read as one
// chunk on the loopback unless it writes again before the proxy has read, so a
// test that looks for a place in the conversation should wait for the answer to
// one request before it sends the next, or match on what a chunk holds.
package faultproxy
