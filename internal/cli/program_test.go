package cli

import (
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

func TestProgram(t *testing.T) {
	t.Parallel()
	hash := "a6886bcd3b6ecbd6831cb6c62cb1dd2ce09ceb3573532f5632e8c5507d1ff1da"
	for arg0, want := range map[string]string{
		"headgate":         "headgate",
		"./build/headgate": "./build/headgate",
		"/opt/head gate":   "'/opt/head gate'",
		"/tmp/go-build86961713/b001/exe/headgate":             "go run .",
		"/home/me/.cache/go-build/a6/" + hash + "-d/headgate": "go run .",
		`C:\Temp\go-build1\b001\exe\headgate.exe`:             "go run .",
		"/home/me/go-build/headgate":                          "/home/me/go-build/headgate",
	} {
		require.Equal(t, want, Program(arg0))
	}
}

// A hint names the place where the command worked, and never the token.
func TestTypedNamesThePlace(t *testing.T) {
	t.Parallel()
	p := &Process{Getenv: noEnv, Program: "./headgate"}
	cmd := &cobra.Command{Use: "x"}
	whereOf(p, cmd)
	require.NoError(t, cmd.Flags().Parse([]string{"--token", "secret", "--data", "/my data", "--store=sqlite"}))
	require.Equal(t, "./headgate sync rejects a --data '/my data' --store sqlite", p.typed(cmd, "sync", "rejects", "a"))
}
