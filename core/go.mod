module github.com/distlock/distlock-go/core

go 1.26
