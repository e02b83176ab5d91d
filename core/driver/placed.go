package driver

// A Placed claim has one of several servers of its provider for its own.
type Placed interface {
	Leased

	// Server tells which server has the claim now, as far as is known: any value that
	// can be compared and that differs from those of the others. Claims of different
	// servers are not renewed in one call, and each server has calls of its own: one
	// that is silent holds up no renewal of another one. It is asked again each time,
	// so a claim may move. It must be cheap and must not wait, nor call the engine.
	Server() any
}

// Server implements lease.Holder. A provider whose claims do not tell renews all in
// one call: it has one server, or asks all of them.
func (h *hold) Server() any {
	if placed, ok := h.claim.(Placed); ok {
		return placed.Server()
	}
	return nil
}
