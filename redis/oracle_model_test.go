package redis

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The times of the model, in ms, are long: what the server's own clock ends, it ends
// by those too, and a trial on a busy machine takes seconds.
const (
	modelLease = 1000_000
	modelClaim = 300_000
	modelWait  = 900_000
)

type modelHolder struct {
	mode  string
	until int64 // ms
	fence int64
}

type modelWaiter struct {
	record string
	ticket int64
}

// A model is what one object should be.
type model struct {
	now       int64 // µs
	lock      bool  // the string family
	holders   map[string]*modelHolder
	queue     []modelWaiter // in order
	alive     map[string]int64
	said      map[string]bool // that it listens
	last      int64
	listening map[string]bool // and whether it does
	lapsed    map[string]bool // ended by their deadlines, and perhaps not removed yet
	state     string          // the key
	grants    int             // that one script makes
	dead      int             // that one script passes over
	sent      []string        // to the processes: channel and message
}

func (m *model) ms() int64 { return m.now / 1000 }

func (m *model) draw() int64 {
	m.last = max(m.last+1, m.now)
	return m.last
}

func (m *model) purge() {
	maps.DeleteFunc(m.holders, func(token string, h *modelHolder) bool {
		if h.until <= m.ms() {
			m.lapsed[token] = !m.lock
			return true
		}
		return false
	})
}

func (m *model) fits(mode string, limit int) bool {
	for _, h := range m.holders {
		if mode == "w" || h.mode == "w" {
			return false
		}
	}
	return limit == 0 || len(m.holders) < limit || len(m.holders) == 0
}

func (m *model) promote() {
	m.purge()
	spare, grants := m.dead, 0
	for len(m.queue) > 0 && spare > 0 && grants < m.grants && !(m.lock && len(m.holders) > 0) {
		f := strings.Split(m.queue[0].record, "|")
		limit, _ := strconv.Atoi(f[3])
		switch alive := m.alive[f[0]] > m.ms(); {
		case alive && !m.fits(f[2], limit):
			return
		case alive && (!m.said[f[0]] || m.listening[f[0]]):
			grants++
			fence := m.draw()
			m.holders[f[0]+"|"+f[1]] = &modelHolder{f[2], m.ms() + modelClaim, fence}
			m.sent = append(m.sent, fmt.Sprintf("%s G|%s|%d|%d|%d|%s", f[0], f[1], fence, m.ms(), modelClaim, m.state))
		default:
			delete(m.alive, f[0])
			spare--
		}
		m.queue = m.queue[1:]
	}
	m.tidy()
}

func (m *model) tidy() {
	if len(m.queue) == 0 {
		clear(m.alive)
	}
}

func (m *model) rank(record string) int {
	return slices.IndexFunc(m.queue, func(w modelWaiter) bool { return w.record == record })
}

func (m *model) unqueue(record string) bool {
	i := m.rank(record)
	if i >= 0 {
		m.queue = slices.Delete(m.queue, i, i+1)
	}
	return i >= 0
}

// acquire returns the fence, or the ticket and the rank.
func (m *model) acquire(token, record, ticket, mode string, limit int) (fence, place int64, rank int) {
	m.purge()
	if !m.lock || len(m.holders) == 0 {
		if len(m.queue) > 0 {
			m.promote()
		}
	}
	if h := m.holders[token]; h != nil {
		h.until = m.ms() + modelLease
		m.unqueue(record)
		return h.fence, 0, 0
	}
	if len(m.queue) == 0 && m.fits(mode, limit) {
		f := m.draw()
		m.holders[token] = &modelHolder{mode, m.ms() + modelLease, f}
		return f, 0, 0
	}
	if ticket == "" {
		return 0, 0, -1
	}
	if i := m.rank(record); i >= 0 {
		place = m.queue[i].ticket
	} else {
		if place, _ = strconv.ParseInt(ticket, 10, 64); place == 0 {
			place = m.now
			if n := len(m.queue); n > 0 {
				place = max(place, m.queue[n-1].ticket+1)
			}
		}
		m.queue = append(m.queue, modelWaiter{record, place})
		slices.SortFunc(m.queue, func(a, b modelWaiter) int {
			if a.ticket != b.ticket {
				return int(a.ticket - b.ticket)
			}
			return strings.Compare(a.record, b.record)
		})
	}
	inst, _, _ := strings.Cut(record, "|")
	m.alive[inst], m.said[inst] = m.ms()+modelWait, strings.HasSuffix(record, "|1")
	return 0, place, m.rank(record)
}

func (m *model) release(token string) int64 {
	m.purge()
	h := m.holders[token]
	delete(m.holders, token)
	if len(m.queue) > 0 {
		m.purge()
		if !m.lock || len(m.holders) == 0 {
			m.promote()
		}
	}
	if h == nil {
		return 0
	}
	return 1
}

func (m *model) cancel(token, record string) int64 {
	var r int64
	if m.unqueue(record) {
		r = 1
	}
	m.purge()
	if m.holders[token] != nil {
		r = 2
	}
	delete(m.holders, token)
	m.tidy()
	if len(m.queue) > 0 && !(m.lock && len(m.holders) > 0) {
		m.promote()
	}
	return r
}

func (m *model) poll(inst string, listens bool, records []string) []int64 {
	if len(m.queue) > 0 {
		m.alive[inst], m.said[inst] = m.ms()+modelWait, listens
	}
	m.purge()
	if !m.lock || len(m.holders) == 0 {
		m.promote()
	}
	var out []int64
	for _, record := range records {
		f := strings.Split(record, "|")
		state := int64(0)
		if i := m.rank(record); i >= 0 {
			state = -1 - int64(i)
		} else if h := m.holders[f[0]+"|"+f[1]]; h != nil {
			state = h.fence
		}
		out = append(out, state)
	}
	return out
}

func (m *model) extend(token string) int64 {
	h := m.holders[token]
	if h == nil || h.until <= m.ms() {
		return 0
	}
	h.until = m.ms() + modelLease
	return 1
}

func (m *model) sever() int64 {
	m.purge()
	n := len(m.holders)
	for token := range m.holders {
		inst, seq, _ := strings.Cut(token, "|")
		m.sent = append(m.sent, inst+" L|"+seq)
	}
	clear(m.holders)
	m.promote()
	return int64(n)
}
