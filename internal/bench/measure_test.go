package main

import (
	"errors"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestASectionThatFailsKeepsTheRowsOfTheOthers states that all sections are run before one is run
// again, that an error is a row and the result, and that it ends neither the bench nor the rows
// that the section has had before.
func TestASectionThatFailsKeepsTheRowsOfTheOthers(t *testing.T) {
	t.Parallel()
	b := &bench{whole: true}
	var order []string
	works := func(name string) func(*bench) error {
		return func(b *bench) error {
			order = append(order, name)
			b.add(row{measure: name, value: 1}, "1")
			return nil
		}
	}
	err := b.measure([]section{
		{name: "broken", run: func(b *bench) error {
			_ = works("half")(b)
			return errors.New("no disk")
		}},
		{name: "once", run: works("once"), runs: 1},
		{name: "thrice", run: works("thrice")},
	}, 3, time.Now().Add(time.Hour))
	require.ErrorContains(t, err, "broken: no disk")
	require.Equal(t, []string{"half", "once", "thrice", "half", "thrice", "half", "thrice"}, order)
	list := keep(fold(b.rows))
	require.Equal(t, []string{"half", "section broken", "once", "thrice"}, measures(list))
	require.Equal(t, "no disk", list[1].Got)
	require.Equal(t, failure, list[1].Result)
	require.Equal(t, []int{3, 0, 1, 3}, []int{list[0].Runs, list[1].Runs, list[2].Runs, list[3].Runs})
	require.True(t, b.whole)
}

// TestNoSectionBeginsWhenTheTimeIsOver states that its rows then count as left out.
func TestNoSectionBeginsWhenTheTimeIsOver(t *testing.T) {
	t.Parallel()
	b := &bench{whole: true}
	require.NoError(t, b.measure([]section{{name: "a", run: func(*bench) error { panic("it began") }}}, 2, time.Now().Add(-time.Second)))
	require.False(t, b.whole)
}

// TestASectionThatTakesTooLongLosesItsProcesses states that what waits for one goes on.
func TestASectionThatTakesTooLongLosesItsProcesses(t *testing.T) {
	t.Parallel()
	b := &bench{}
	err := b.runSection(section{name: "slow", run: func(b *bench) error {
		_, err := b.output(exec.Command("sleep", "1000"))
		return err
	}}, time.Millisecond)
	require.ErrorContains(t, err, "longer than")
	require.NotErrorIs(t, err, errHangs)
	_, err = b.output(exec.Command("true"))
	require.NoError(t, err, "the next section may start processes")
}

// TestWhatASectionLeavesEndsWithIt states that a process that an error left does not run beside
// the next section, and that none is started when the bench has ended.
func TestWhatASectionLeavesEndsWithIt(t *testing.T) {
	t.Parallel()
	b := &bench{}
	var left *running
	err := b.runSection(section{name: "careless", run: func(b *bench) (err error) {
		left, err = b.start(exec.Command("sh", "-c", "sleep 1000 & wait"))
		return errors.Join(err, errors.New("then it failed"))
	}}, time.Hour)
	require.ErrorContains(t, err, "then it failed")
	<-left.ended
	require.Error(t, left.err)

	b.close()
	_, err = b.start(exec.Command("sleep", "1000"))
	require.ErrorContains(t, err, "no process is started")
}

func TestEachBenchHasItsOwnBoundOfRuns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		s     section
		quick bool
		want  int
	}{
		{section{}, false, 3},
		{section{}, true, 3},
		{section{runs: 1}, false, 1},
		{section{runs: 1}, true, 3},
		{section{quickRuns: 2}, false, 3},
		{section{quickRuns: 2}, true, 2},
		{section{runs: 5}, false, 3},
	} {
		require.Equal(t, c.want, c.s.most(3, c.quick), "%+v", c)
	}
}
