package functions

import (
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"
)

// A user uploads a CSV file, creates a sync of it and triggers it: three requests.
func TestUploadCreateTrigger(t *testing.T) {
	t.Parallel()
	g := newGateway(t, oneService(""))
	upload := func(name, content string) answer {
		t.Helper()
		return g.do("PUT", "/files/"+name, content, "Content-Type", "text/csv")
	}
	require.Equal(t, 200, upload("readings.csv", "old").status)
	a := upload("readings.csv", threeReadings)
	require.Equal(t, 200, a.status, "%s", a.raw)
	require.Equal(t, "readings.csv", a.json["fileUrl"])
	g.define(readingsSync(""))
	require.Equal(t, 3, g.runSync("readings", "").count("created"))

	for _, name := range []string{"gate.json", ".hidden.csv", "headgate.db", "..%2Fx.csv", "a%2Fb.csv", "x.csv.exe", "x"} {
		a := upload(name, "a,b\n")
		require.Equal(t, 400, a.status, "%s: %s", name, a.raw)
	}
	require.NoError(t, g.dir.Mkdir("dir.csv", 0o700))
	require.Equal(t, 409, upload("dir.csv", "a,b\n").status)
	entries, err := fs.ReadDir(g.dir.FS(), ".")
	require.NoError(t, err)
	require.Len(t, entries, 2, "no temporary file is left")
}
