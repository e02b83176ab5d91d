// Redis shows what only Redis can do with a lock: the program lends a client that it
// has anyway, what was taken by SET NX excludes a Lock and the other way round, a
// holder whose lock is broken is told by the server, a script compares the token and
// writes the data in one step, and several servers that know nothing of each other
// hold one lock by a majority. The servers are those of the URLs; all but the first
// are for the majority.
//
//	go run ./examples/redis redis://localhost
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/distlock"
	"github.com/distlock/distlock-go/redis"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: redis redis://user:password@host [URL URL URL]")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, url string, several []string) error {
	o, err := goredis.ParseURL(url)
	if err != nil {
		return err
	}
	client := goredis.NewClient(o)
	defer client.Close()
	p, err := redis.New(client, &redis.Options{HashTag: account})
	if err != nil {
		return err
	}
	defer p.Close()
	report, err := p.Check(ctx)
	if err != nil {
		return err
	}
	for _, warning := range report.Warnings { // The cures of what makes locks unsafe or slow.
		fmt.Fprintln(os.Stderr, "warning:", warning)
	}
	for _, show := range []func(context.Context, *goredis.Client, *redis.Provider) error{setNX, broken, fenced} {
		if err := show(ctx, client, p); err != nil {
			return err
		}
	}
	if len(several) > 0 {
		return majority(ctx, several)
	}
	return nil
}

// account is the hash tag: what belongs to an account is in one slot of a cluster.
func account(name string) string {
	tag, _, _ := strings.Cut(name, "/")
	return tag
}

// setNX plays a program that locks by SET NX, as many do.
func setNX(ctx context.Context, client *goredis.Client, p *redis.Provider) error {
	const key = "distlock:{example redis}{example redis/job}"
	l := p.NewLock("example redis/job")
	if err := client.SetNX(ctx, key, "another program", 10*time.Second).Err(); err != nil {
		return err
	}
	_, err := l.TryAcquire(ctx)
	fmt.Println("held by SET NX keeps us out:", errors.Is(err, distlock.ErrNotAcquired))
	if err := client.Del(ctx, key).Err(); err != nil {
		return err
	}
	return distlock.Do(ctx, l, func(ctx context.Context) error {
		free, err := client.SetNX(ctx, key, "another program", 10*time.Second).Result()
		fmt.Println("held by us keeps SET NX out:", !free)
		return err
	})
}

// broken has an operator break a lock, and its holder hear of it long before the lease
// ends or is renewed.
func broken(ctx context.Context, _ *goredis.Client, p *redis.Provider) error {
	h, err := p.NewLock("example redis/report").Acquire(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = h.Release(ctx) }()
	if _, err := p.Break(ctx, distlock.KindLock, "example redis/report"); err != nil {
		return err
	}
	<-h.Done()
	fmt.Println("the holder was told of the break:", errors.Is(h.Err(), distlock.ErrLost))
	return nil
}

// write writes, unless a later holder has written already.
var write = goredis.NewScript(`
if tonumber(ARGV[1]) < tonumber(redis.call('HGET', KEYS[1], 'token') or 0) then return 0 end
return redis.call('HSET', KEYS[1], 'token', ARGV[1], 'balance', ARGV[2])`)

// fenced has two holders write, and the first once more.
func fenced(ctx context.Context, client *goredis.Client, p *redis.Provider) error {
	const data = "{example redis}balance"
	defer client.Del(ctx, data)
	var tokens []uint64
	for range 2 {
		h, err := p.NewLock("example redis/account").Acquire(ctx)
		if err != nil {
			return err
		}
		tokens = append(tokens, h.Token())
		if err := h.Release(ctx); err != nil {
			return err
		}
	}
	for i, token := range []uint64{tokens[0], tokens[1], tokens[0]} {
		if err := write.Run(ctx, client, []string{data}, token, 100+i).Err(); err != nil {
			return err
		}
	}
	balance, err := client.HGet(ctx, data, "balance").Result()
	fmt.Println("the late write was refused:", balance == "101")
	return err
}

// majority takes a lock on more than half of several servers.
func majority(ctx context.Context, servers []string) error {
	p, err := redis.OpenRedLock(ctx, servers, &redis.Options{Prefix: "example", Lease: 3 * time.Second})
	if err != nil {
		return err
	}
	defer p.Close()
	report, err := p.Check(ctx)
	if err != nil {
		return err
	}
	// Servers that were never used vote after the length of a lease, or after a
	// Bootstrap; so this waits for as long as that takes.
	return distlock.Do(ctx, p.NewLock("example redis"), func(context.Context) error {
		fmt.Printf("held on a majority of %d servers, of which %d are up\n", report.Servers, report.Up)
		return nil
	})
}
