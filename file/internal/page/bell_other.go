//go:build !linux

package page

import "time"

// HasBells says that [Page.Listen] works here.
const HasBells = false

// Listen does nothing: there are no bells here.
func (p *Page) Listen(int, uint32, time.Duration) bool { return false }

// Wake does nothing.
func (p *Page) Wake(int) {}

// Strokes returns 0.
func (p *Page) Strokes(int) uint32 { return 0 }

// Strike does nothing.
func (p *Page) Strike(int) {}
