//go:build unix

package testenv

import (
	"context"
	"fmt"
	"io"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"
)

// boxDir is where a program in a container works.
const boxDir = "/data"

// dockerAnswers returns nil if a Docker daemon does.
func dockerAnswers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	docker, err := testcontainers.NewDockerClientWithOpts(ctx)
	if err != nil {
		return fmt.Errorf("no Docker daemon answers: %w", err)
	}
	if _, err := docker.Ping(ctx, client.PingOptions{}); err != nil {
		return fmt.Errorf("no Docker daemon answers: %w", err)
	}
	return nil
}

// boxed launches a program in a container. The container shares the host's
// network, so that a server is reached at the address that it believes in, which
// a cluster's nodes and sentinels tell each other and their clients. Where
// containers run in a virtual machine this needs Docker's host networking to be
// enabled there.
type boxed struct {
	origin
	program   program
	container testcontainers.Container // nil until it is created
	docker    *testcontainers.DockerClient
}

func (b *boxed) launch(ctx context.Context) (running, error) {
	if b.container == nil {
		if err := b.create(ctx); err != nil {
			return nil, err
		}
	}
	if err := b.container.Start(ctx); err != nil {
		return nil, err
	}
	box := &box{id: b.container.GetContainerID(), docker: b.docker, end: make(chan struct{})}
	go box.wait()
	return box, nil
}

func (b *boxed) create(ctx context.Context) error {
	var err error
	if b.docker, err = testcontainers.NewDockerClientWithOpts(ctx); err != nil {
		return err
	}
	request := testcontainers.ContainerRequest{
		Image:      b.image,
		Entrypoint: b.entrypoint,
		Cmd:        append([]string{b.server}, b.program.args(boxDir)...),
		Env:        b.program.env,
		ConfigModifier: func(c *container.Config) {
			c.WorkingDir = boxDir
		},
		HostConfigModifier: func(c *container.HostConfig) {
			c.NetworkMode = "host"
		},
	}
	if b.entrypoint != nil {
		request.Cmd = request.Cmd[1:]
	}
	for name, content := range b.program.files {
		request.Files = append(request.Files, testcontainers.ContainerFile{
			Reader:            strings.NewReader(content),
			ContainerFilePath: path.Join(boxDir, name),
			FileMode:          0o666, // The program may run as any user, and rewrite it.
		})
	}
	b.container, err = testcontainers.GenericContainer(ctx, testcontainers.GenericContainerRequest{
		ContainerRequest: request,
		Logger:           log.NewNoopLogger(),
	})
	return err
}

func (b *boxed) log(ctx context.Context) string {
	if b.container == nil {
		return ""
	}
	logs, err := b.container.Logs(ctx)
	if err != nil {
		return err.Error()
	}
	defer logs.Close()
	content, err := io.ReadAll(logs)
	if err != nil {
		return err.Error()
	}
	return string(tail(content))
}

func (b *boxed) remove(ctx context.Context) error {
	if b.container == nil {
		return nil
	}
	return b.container.Terminate(ctx)
}

// box is a running container.
type box struct {
	id     string
	docker *testcontainers.DockerClient
	end    chan struct{}
}

// wait closes end when the container does not run any more, or when the daemon
// cannot tell.
func (b *box) wait() {
	defer close(b.end)
	result := b.docker.ContainerWait(context.Background(), b.id,
		client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	select {
	case <-result.Result:
	case <-result.Error: //nolint:errcheck // Whatever the daemon says, it does not watch any more.
	}
}

func (b *box) done() <-chan struct{} { return b.end }

func (b *box) signal(s syscall.Signal) error {
	_, err := b.docker.ContainerKill(context.Background(), b.id, client.ContainerKillOptions{Signal: fmt.Sprint(int(s))})
	return err
}

func (b *box) kill() error {
	// Docker refuses to kill what is paused. An error says that it is not.
	_ = b.resume()
	return b.signal(syscall.SIGKILL)
}

func (b *box) pause() error {
	_, err := b.docker.ContainerPause(context.Background(), b.id, client.ContainerPauseOptions{})
	return err
}

func (b *box) resume() error {
	_, err := b.docker.ContainerUnpause(context.Background(), b.id, client.ContainerUnpauseOptions{})
	return err
}
