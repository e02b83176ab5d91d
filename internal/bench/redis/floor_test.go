//go:build unix

package redis

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// pipelined is the bare protocol written by hand for many callers: what they ask
// while pipelines are out travels in the next one. It is what the driver and the
// server can do on this machine for the bare protocol's guarantees, which are fewer.
type pipelined struct {
	c     *goredis.Client
	asked chan asked
	wg    sync.WaitGroup
}

// An asked is one command on its way.
type asked struct {
	name, token string
	unlock      bool
	done        chan error
}

// pipelines is how many are out at a time: more of them are shorter.
const pipelines = 2

func newPipelined(at site) (locker, error) {
	p := &pipelined{c: at.client(), asked: make(chan asked, 64)}
	if err := compareAndDelete.Load(context.Background(), p.c).Err(); err != nil {
		return nil, errors.Join(err, p.c.Close())
	}
	for range pipelines {
		p.wg.Go(p.carryOut)
	}
	return p, nil
}

func (p *pipelined) carryOut() {
	for first := range p.asked {
		batch := []asked{first}
		for more := true; more; {
			select {
			case a := <-p.asked:
				batch = append(batch, a)
			default:
				more = false
			}
		}
		ctx := context.Background()
		pipe := p.c.Pipeline()
		cmds := make([]goredis.Cmder, len(batch))
		for i, a := range batch {
			if a.unlock {
				cmds[i] = pipe.EvalSha(ctx, compareAndDelete.Hash(), []string{a.name}, a.token)
			} else {
				cmds[i] = pipe.Do(ctx, "set", a.name, a.token, "nx", "px", (15 * time.Second).Milliseconds())
			}
		}
		_, _ = pipe.Exec(ctx) // Each command has its own error.
		for i, a := range batch {
			a.done <- cmds[i].Err()
		}
	}
}

func (p *pipelined) lock(_ context.Context, name string) (func() error, error) {
	var id [16]byte
	_, _ = rand.Read(id[:])
	a := asked{name: name, token: hex.EncodeToString(id[:]), done: make(chan error, 1)}
	p.asked <- a
	err := <-a.done
	return func() error {
		a.unlock = true
		p.asked <- a
		return <-a.done
	}, err
}

func (p *pipelined) Close() error {
	close(p.asked)
	p.wg.Wait()
	return p.c.Close()
}
