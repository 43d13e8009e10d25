//go:build pq

package main

import (
	"context"
	"database/sql"

	_ "github.com/lib/pq"
)

func open(url string, pool int) (query, error) {
	db, err := sql.Open("postgres", url+"?sslmode=disable")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(pool)
	db.SetMaxIdleConns(pool)
	return func(ctx context.Context, statement string) error {
		_, err := db.ExecContext(ctx, statement)
		return err
	}, nil
}
