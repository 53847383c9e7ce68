package sqlsource

import (
	"context"

	"github.com/headgate/headgate/internal/platform/fence"
)

// fenced is a transaction of a push. Every statement asks the fence right before it is
// sent, and so does the COMMIT: a process that was stopped in between finds that out
// here, and what it did before is rolled back. Until then the rows that it changed are
// locked in the database, so nobody else can have changed them since.
type fenced struct{ transaction }

func (f fenced) exec(ctx context.Context, sql string, args ...any) (int64, error) {
	if err := fence.Allow(ctx); err != nil {
		return 0, err
	}
	return f.transaction.exec(ctx, sql, args...)
}

func (f fenced) execAll(ctx context.Context, statements []*statement) ([]int64, error) {
	if err := fence.Allow(ctx); err != nil {
		return nil, err
	}
	return f.transaction.execAll(ctx, statements)
}

func (f fenced) query(ctx context.Context, columns []column, sql string, args ...any) (rows, error) {
	if err := fence.Allow(ctx); err != nil {
		return nil, err
	}
	return f.transaction.query(ctx, columns, sql, args...)
}

func (f fenced) commit(ctx context.Context) error {
	if err := fence.Allow(ctx); err != nil {
		return err
	}
	return f.transaction.commit(ctx)
}
