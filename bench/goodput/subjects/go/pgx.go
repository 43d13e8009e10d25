//go:build pgx

package main

import (
	"context"

	"github.com/jackc/pgx/v4/pgxpool"
)

func open(url string, size int) (query, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.MaxConns = int32(size)
	pool, err := pgxpool.ConnectConfig(context.Background(), config)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, statement string) error {
		_, err := pool.Exec(ctx, statement)
		return err
	}, nil
}
