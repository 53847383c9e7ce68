package sqlsource

import (
	"context"

	"github.com/headgate/headgate/internal/platform/fence"
)

// fenced is a transaction of a push that asks the fence right before every statement and
// before the COMMIT (docs/decisions/012). A process that was stopped too long learns here
// that another one took over, and its transaction is rolled back. Until then the database
// locks the changed rows, so the other process cannot have overwritten them.
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

func (f fenced) query(ctx context.Context, columns []column, sql string, args ...any) (resultRows, error) {
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
