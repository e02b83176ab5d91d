package redis_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/redis"
)

func Example() {
	ctx := context.Background()
	p, err := redis.Open(ctx, os.Getenv("REDIS_URL"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	err = core.Do(ctx, p.NewLock("nightly-report"), func(ctx context.Context) error {
		fmt.Println("only one of us runs this")
		return nil // ctx ends if the lock is lost
	})
	if err != nil {
		log.Fatal(err)
	}
}

// writeFenced writes data only if no later holder has written: the greatest
// token is kept beside the data, in the same slot.
var writeFenced = goredis.NewScript(`
if tonumber(ARGV[1]) < tonumber(redis.call('HGET', KEYS[1], 'token') or 0) then return 0 end
redis.call('HSET', KEYS[1], 'token', ARGV[1], 'data', ARGV[2])
return 1`)

// With the tag of the data that a lock guards, both are in one slot of a
// cluster, and one script can check the one and write the other.
func ExampleOptions_hashTag() {
	ctx := context.Background()
	client := goredis.NewClient(&goredis.Options{Addr: "localhost:6379"})
	defer client.Close()
	p, err := redis.New(client, &redis.Options{HashTag: tagOf})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	h, err := p.NewLock("user:42/profile").Acquire(ctx) // distlock:{user:42}{user:42/profile}
	if err != nil {
		log.Fatal(err)
	}
	defer h.Release(ctx)
	written, err := writeFenced.Run(ctx, client, []string{"{user:42}profile"}, h.Token(), "new").Bool()
	fmt.Println(written, err)
}

func tagOf(name string) string {
	tag, _, _ := strings.Cut(name, "/")
	return tag
}

func TestHashTag(t *testing.T) {
	for _, variable := range []string{serverVar, clusterVar} {
		t.Run(variable, func(t *testing.T) {
			ctx := context.Background()
			c := client(t, variable)
			p, err := redis.New(c, &redis.Options{HashTag: tagOf, Prefix: "hashtag"})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			data := "{user:42}profile"
			defer c.Del(ctx, data)
			l := p.NewLock("user:42/profile")
			first, err := l.Acquire(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if key := c.Exists(ctx, "hashtag:{user:42}{user:42/profile}").Val(); key != 1 {
				t.Error("the lock is not where its tag says")
			}
			if _, err := p.Break(ctx, core.KindLock, l.Name()); err != nil {
				t.Fatal(err)
			}
			second, err := l.Acquire(ctx)
			if err != nil {
				t.Fatal(err)
			}
			write := func(h core.Handle, text string) bool {
				ok, err := writeFenced.Run(ctx, c, []string{data}, h.Token(), text).Bool()
				if err != nil {
					t.Fatal(err)
				}
				return ok
			}
			if !write(second, "second") || write(first, "late") {
				t.Error("the token does not tell the holders apart")
			}
			if all, err := p.List(ctx, "user:"); err != nil || len(all) != 1 || all[0].Name != l.Name() {
				t.Errorf("List: %+v, %v", all, err)
			}
			if err := second.Release(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

// One prefix keeps clear of another, whatever the names.
func TestPrefixesAreApart(t *testing.T) {
	c := client(t, serverVar)
	ctx := context.Background()
	open := func(prefix string) *redis.Provider {
		p, err := redis.New(c, &redis.Options{Prefix: prefix})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Close() })
		return p
	}
	a, again, b := open("prefix-a"), open("prefix-a"), open("prefix-b")
	h, err := a.NewLock("n").Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.NewLock("n").TryAcquire(ctx); err == nil {
		t.Error("the same prefix and name are two locks")
	}
	other, err := b.NewLock("n").TryAcquire(ctx)
	if err != nil {
		t.Fatalf("another prefix is the same lock: %v", err)
	}
	for _, h := range []core.Handle{h, other} {
		if err := h.Release(ctx); err != nil {
			t.Error(err)
		}
	}
}
