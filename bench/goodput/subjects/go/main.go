// The route as a careful Go service has it, with the request's context: main <pool> <seconds> [deadline ms]. With a deadline,
// a semaphore lets in twice as many requests as there are connections, and the others are refused at once.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

// query runs one statement, and returns when it has ended or ctx has.
type query func(ctx context.Context, statement string) error

func main() {
	pool, err := strconv.Atoi(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	run, err := open(os.Getenv("DATABASE_URL"), pool)
	if err != nil {
		log.Fatal(err)
	}
	statement := fmt.Sprintf("select pg_sleep(%s)", os.Args[2])
	var active int64
	deadline, most := time.Duration(0), int64(1<<62)
	if len(os.Args) > 3 {
		ms, err := strconv.Atoi(os.Args[3])
		if err != nil {
			log.Fatal(err)
		}
		deadline, most = time.Duration(ms)*time.Millisecond, int64(2*pool)
	}
	http.HandleFunc("/query", func(w http.ResponseWriter, r *http.Request) {
		defer atomic.AddInt64(&active, -1)
		if atomic.AddInt64(&active, 1) > most {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		ctx := r.Context()
		if deadline > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, deadline)
			defer cancel()
		}
		if err := run(ctx, statement); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, "{}")
	})
	http.HandleFunc("/queue", func(w http.ResponseWriter, r *http.Request) {
		waiting := atomic.LoadInt64(&active) - int64(pool)
		if waiting < 0 {
			waiting = 0
		}
		fmt.Fprint(w, waiting)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening %d\n", listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(http.Serve(listener, nil))
}
