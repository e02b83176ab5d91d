package file

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/distlock/distlock-go/core/driver"
	"github.com/distlock/distlock-go/file/internal/fswatch"
)

// A sleeper is one wait of this provider: woken by what the system tells of the
// files that it follows or, where it cannot tell, by a timer. It implements
// driver.Sleeper for the wait loop, and belongs to its goroutine.
type sleeper struct {
	driver.Claimer
	p     *Provider
	woken chan struct{}
	files map[string]*lockfile

	placed bool      // it is one of those who may listen to bells
	bell   *lockfile // whose bell the next sleep listens to, or nil
	seen   uint32    // what that bell showed before the attempt

	mu     sync.Mutex
	asleep *lockfile   // at whose bell it sleeps, or nil
	timer  *time.Timer // nil: it does not poll
	pause  time.Duration
	most   time.Duration
	over   bool
}

func newSleeper(p *Provider, c driver.Claimer) *sleeper {
	return &sleeper{Claimer: c, p: p, woken: make(chan struct{}, 1), files: make(map[string]*lockfile, 1)}
}

// Wake implements driver.Waker. There is nothing to listen to yet: each attempt
// begins by following the file that it is about.
func (s *sleeper) Wake() (wake <-chan struct{}, stop func(), err error) {
	return s.woken, s.stop, nil
}

// notify wakes the sleeper; it does not block.
func (s *sleeper) notify() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
	s.rouse()
}

// follow makes an unlock of the file wake the sleeper, from now on: it listens to
// the file first, and then asks whoever unlocks it to tell. The request must be made
// again for each attempt, because it is cleared when it is answered. If next is set
// the sleeper is the one who is next, and in a hurry.
//
// If the file takes the place of one that was removed, the other is followed no
// more.
func (s *sleeper) follow(lf *lockfile, next bool) {
	if old := s.files[lf.name]; old != lf {
		if old != nil {
			s.unfollow(old)
		}
		if !s.p.files.keep(lf) {
			return
		}
		s.files[lf.name] = lf
		if !lf.addSleeper(s) {
			s.poll()
		}
		s.p.probe.start()
	}
	if !lf.page.Mapped() {
		return
	}
	var how uint64 = byEvent
	if next && s.listen(lf) {
		how = byBell
	}
	lf.ask(how)
}

func (s *sleeper) unfollow(lf *lockfile) {
	if s.bell == lf {
		s.bell = nil
	}
	delete(s.files, lf.name)
	lf.removeSleeper(s)
	s.p.files.put(lf)
}

func (s *sleeper) stop() {
	s.mu.Lock()
	s.over = true
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Unlock()
	for _, lf := range s.files {
		s.unfollow(lf)
	}
	if s.placed {
		<-s.p.listeners
	}
}

// poll makes a timer wake the sleeper, after pauses that grow and that are spread
// out at random, so that rivals do not march in step.
func (s *sleeper) poll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil || s.over {
		return
	}
	s.pause, s.most = s.p.pollPauses()
	s.timer = time.AfterFunc(s.next(), s.tick)
}

func (s *sleeper) tick() {
	s.notify()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.timer.Reset(s.next())
	}
}

// next returns the next pause.
func (s *sleeper) next() time.Duration {
	d := s.pause
	s.pause = min(2*d, s.most)
	return d/2 + rand.N(d/2+1)
}

// pollPauses returns the shortest and the longest pause of a waiter that polls.
func (p *Provider) pollPauses() (least, most time.Duration) {
	least, most = time.Millisecond, 25*time.Millisecond
	if remote, err := p.folder.use(); err == nil && remote != "" {
		least, most = 5*time.Millisecond, 250*time.Millisecond
	}
	if p.opts.PollInterval > 0 {
		most = p.opts.PollInterval
	}
	return min(least, most), most
}

// addSleeper has a sleeper woken by what the system tells of the file, and
// reports whether it tells all there is to know. Of a page that is not mapped it tells
// too much: whoever looks at it reads the file, which would wake all, and the one who
// looks first of all, for ever.
func (lf *lockfile) addSleeper(s *sleeper) bool {
	lf.mu.Lock()
	defer lf.mu.Unlock()
	lf.observe()
	lf.sleepers = append(lf.sleepers, s)
	return lf.page.Mapped() && lf.watch != nil && lf.watch.Listen(true) == nil && fswatch.TellsOfClose
}

// removeSleeper undoes addSleeper. The listening goes on until there is something
// to hear, because the sleeper is in a hurry, and because whoever has waited once
// is likely to wait again.
func (lf *lockfile) removeSleeper(s *sleeper) {
	lf.mu.Lock()
	defer lf.mu.Unlock()
	if i := slices.Index(lf.sleepers, s); i >= 0 {
		last := len(lf.sleepers) - 1
		lf.sleepers[i], lf.sleepers[last] = lf.sleepers[last], nil
		lf.sleepers = lf.sleepers[:last]
	}
}

// wake wakes those of this provider who sleep until the file is unlocked. The
// mutex must be held.
func (lf *lockfile) wake() {
	for _, s := range lf.sleepers {
		s.notify()
	}
	if len(lf.sleepers) == 0 && lf.watch != nil {
		_ = lf.watch.Listen(false) // What is told to nobody does no harm.
	}
}
