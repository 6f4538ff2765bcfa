package web

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/klauspost/compress/zstd"
	"github.com/valyala/fasthttp"

	"assay/internal/auth"
	"assay/internal/fault"
)

// bounded reads a body the way an ingest handler does.
func bounded(t *testing.T, body []byte, limits bodyLimits, encodings ...string) ([]byte, error) {
	t.Helper()
	app := fiber.New()
	request := &fasthttp.RequestCtx{}
	for _, e := range encodings {
		request.Request.Header.Add(fiber.HeaderContentEncoding, e)
	}
	request.Request.SetBodyRaw(body)
	c := app.AcquireCtx(request)
	defer app.ReleaseCtx(c)
	return readBody(c, limits)
}

func gzipped(t testing.TB, body []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(body)
	w.Close()
	return out.Bytes()
}

func zstded(t testing.TB, body []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(body, nil)
}

func TestABatchIsReadAsItWasWritten(t *testing.T) {
	noise := make([]byte, 3<<20)
	source := rand.NewChaCha8([32]byte{1})
	source.Read(noise)
	for name, body := range map[string][]byte{
		"empty": {}, "short": []byte(`{"a":1}`), "repetitive but small": bytes.Repeat([]byte("a"), 1<<20), "large": noise,
	} {
		for _, sent := range []struct {
			encoding string
			body     []byte
		}{{"", body}, {"identity", body}, {"gzip", gzipped(t, body)}, {"x-gzip", gzipped(t, body)}, {"GZIP", gzipped(t, body)}, {"zstd", zstded(t, body)}} {
			got, err := bounded(t, sent.body, bodyLimits{}, sent.encoding)
			if err != nil || !bytes.Equal(got, body) {
				t.Errorf("%s as %q: %d bytes, %v", name, sent.encoding, len(got), err)
			}
		}
	}
}

func TestABatchIsBoundedOnceInflated(t *testing.T) {
	limits := bodyLimits{Inflated: 4 << 20, Ratio: 10, Floor: 1 << 10}
	plain := bytes.Repeat([]byte("x"), 1<<20)
	cases := map[string]struct {
		body     []byte
		encoding string
	}{
		"ratio by gzip":          {gzipped(t, plain), "gzip"},
		"ratio by zstd":          {zstded(t, plain), "zstd"},
		"plain over the limit":   {bytes.Repeat([]byte("y"), 4<<20+1), ""},
		"many members of gzip":   {bytes.Repeat(gzipped(t, plain[:4096]), 500), "gzip"},
		"many frames of zstd":    {bytes.Repeat(zstded(t, plain[:65536]), 500), "zstd"},
		"zstd that says 1 TiB":   {append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0}, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0), "zstd"},
		"zstd with a 2 GiB span": {[]byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 1, 0, 0}, "zstd"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := bounded(t, c.body, limits, c.encoding)
			var r *refusal
			if !errors.As(err, &r) || r.code != fiber.StatusRequestEntityTooLarge {
				t.Errorf("want 413, got %d bytes and %v", len(got), err)
			}
		})
	}
}

func TestOtherAndChainedEncodingsAre415(t *testing.T) {
	body := gzipped(t, []byte(`{}`))
	for _, encodings := range [][]string{{"br"}, {"deflate"}, {"compress"}, {"gzip, gzip"}, {"gzip,zstd"}, {"gzip", "gzip"}, {"identity, gzip"}, {"nonsense"}} {
		_, err := bounded(t, body, bodyLimits{}, encodings...)
		var r *refusal
		if !errors.As(err, &r) || r.code != fiber.StatusUnsupportedMediaType {
			t.Errorf("%v: want 415, got %v", encodings, err)
		}
	}
}

func TestADamagedBatchIsInvalid(t *testing.T) {
	whole := gzipped(t, bytes.Repeat([]byte("abcdefghij"), 10_000))
	wholeZ := zstded(t, bytes.Repeat([]byte("abcdefghij"), 10_000))
	for name, c := range map[string]struct {
		body     []byte
		encoding string
	}{
		"no gzip at all":   {[]byte(`{"a":1}`), "gzip"},
		"gzip cut short":   {whole[:len(whole)/2], "gzip"},
		"gzip with a tail": {append(bytes.Clone(whole), "tail"...), "gzip"},
		"no zstd at all":   {[]byte(`{"a":1}`), "zstd"},
		"zstd cut short":   {wholeZ[:len(wholeZ)/2], "zstd"},
	} {
		if _, err := bounded(t, c.body, bodyLimits{}, c.encoding); fault.Of(err) != fault.Invalid {
			t.Errorf("%s: want invalid, got %v", name, err)
		}
	}
}

// bomb is 1 GiB of nothing in about 1.04 MB of gzip.
func bomb(t testing.TB) []byte {
	t.Helper()
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestCompression)
	zeros := make([]byte, 1<<20)
	for range 1 << 10 {
		w.Write(zeros)
	}
	w.Close()
	return out.Bytes()
}

func TestAGzipBombIsRefusedWithinASecondAndLittleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 1 GiB")
	}
	packed := bomb(t)
	if len(packed) > 1_100_000 {
		t.Fatalf("the bomb has %d bytes", len(packed))
	}
	runtime.GC()
	before := residentPeak(t)
	inflated := int64(0)
	took := fastest(func() {
		request := &fasthttp.RequestCtx{}
		request.Request.Header.Add(fiber.HeaderContentEncoding, "gzip")
		request.Request.SetBodyRaw(packed)
		reader, err := boundedBody(fiber.New().AcquireCtx(request), bodyLimits{})
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, reader) // as a stage reads: keeping nothing
		inflated = n
		var r *refusal
		if !errors.As(err, &r) || r.code != fiber.StatusRequestEntityTooLarge {
			t.Fatalf("want 413, got %v after %d bytes", err, n)
		}
	})
	grown := residentPeak(t) - before
	t.Logf("refused after %s and %d MiB inflated, the peak of memory grew by %d MiB", took, inflated>>20, grown>>20)
	if took > time.Second {
		t.Errorf("refused after %s", took)
	}
	if grown > 64<<20 {
		t.Errorf("the peak of memory grew by %d MiB", grown>>20)
	}
}

// fastest is the shortest of three runs: a busy machine is not the product's
// slowness.
func fastest(run func()) time.Duration {
	best := time.Hour
	for range 3 {
		started := time.Now()
		run()
		best = min(best, time.Since(started))
	}
	return best
}

// residentPeak returns the largest memory this process ever had, in bytes.
func residentPeak(t testing.TB) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("this system does not say how much memory a process has had")
	}
	match := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(text)
	if match == nil {
		t.Fatal("no VmHWM in /proc/self/status")
	}
	kilobytes, _ := strconv.Atoi(string(match[1]))
	return kilobytes << 10
}

func TestTheDoorRefusesABombBeforeLoginWithoutInflatingIt(t *testing.T) {
	w := newWorld(t)
	packed := bomb(t)
	before := residentPeak(t)
	// Over the wire the body is as large as its limit allows; what matters is
	// that no handler, parser or token check inflates it.
	small := packed[:1<<19]
	for _, to := range []string{"/login", "/settings/people", "/v1/openapi.json", "/logout"} {
		took := fastest(func() {
			a := w.stranger().send("POST", to, bytes.NewReader(small), http.Header{
				"Content-Encoding": {"gzip"}, "Content-Type": {"application/x-www-form-urlencoded"}})
			if a.Status < 400 || a.Status >= 500 {
				t.Errorf("%s: want a refusal, got %d", to, a.Status)
			}
		})
		if took > time.Second {
			t.Errorf("%s: refused after %s", to, took)
		}
	}
	if a := w.stranger().send("POST", "/login", bytes.NewReader(small), http.Header{"Content-Encoding": {"gzip"}}); a.Status != fiber.StatusUnsupportedMediaType {
		t.Errorf("want 415, got %d", a.Status)
	}
	if grown := residentPeak(t) - before; grown > 64<<20 {
		t.Errorf("the peak of memory grew by %d MiB", grown>>20)
	}
}

// M10: whatever way a body comes, its address's limit holds, and it is told
// before the body has been read.
func TestABodyOverItsAddressLimitIs413(t *testing.T) {
	w := newWorld(t)
	over := fmt.Sprintf("Content-Length: %d\r\n\r\n", pageBodyLimit+1)
	chunk := fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n", pageBodyLimit+1) + strings.Repeat("a", pageBodyLimit+1)
	for name, rest := range map[string]string{"its length said": over, "in chunks": chunk} {
		for _, path := range []string{"/login", "/settings/keys", "/nothing/here"} {
			conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\n%s", path, rest)
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			conn.Close()
			if err != nil {
				t.Fatalf("%s, %s: %v", name, path, err)
			}
			if response.StatusCode != fiber.StatusRequestEntityTooLarge {
				t.Errorf("%s, %s: want 413, got %d", name, path, response.StatusCode)
			}
			carries(t, name, response.Header)
		}
	}
}

// Only a key that holds may send a body of the size that batches have.
func TestALargeBodyIsReadBehindAKeyOnly(t *testing.T) {
	w := newWorld(t)
	if !isIngest("POST", "/v1/handoffs/7/runs") {
		t.Fatal("the route this test stands on takes no batches")
	}
	limit := func(method, path, credential string) int {
		var h fasthttp.RequestHeader
		h.SetMethod(method)
		h.SetRequestURI(path)
		h.Set(fiber.HeaderAuthorization, credential)
		h.SetContentLength(apiBodyLimit + 1)
		return w.app.Server().HeaderReceived(&h).MaxRequestBodySize
	}
	holds := w.program(auth.ScopeHandoff).header.Get("Authorization")
	for name, c := range map[string]struct{ got, want int }{
		"a key":              {limit("POST", "/v1/handoffs/7/runs", holds), ingestBodyLimit},
		"a key, with query":  {limit("POST", "/v1/handoffs/7/runs?window=holdout", holds), ingestBodyLimit},
		"no key":             {limit("POST", "/v1/handoffs/7/runs", ""), apiBodyLimit},
		"a key that is none": {limit("POST", "/v1/handoffs/7/runs", "Bearer wb_aaaaaaaaaa_"+strings.Repeat("A", 43)), apiBodyLimit},
		"another address":    {limit("POST", "/v1/handoffs", holds), apiBodyLimit},
		"a page":             {limit("POST", "/settings/keys", holds), pageBodyLimit},
	} {
		if c.got != c.want {
			t.Errorf("%s: want %d, got %d", name, c.want, c.got)
		}
	}
}

func FuzzBoundedBody(f *testing.F) {
	f.Add([]byte(`{"a":1}`), "gzip")
	f.Add(gzipped(f, []byte(`{"a":1}`)), "gzip")
	f.Add(zstded(f, []byte(`{"a":1}`)), "zstd")
	f.Fuzz(func(t *testing.T, body []byte, encoding string) {
		got, err := bounded(t, body, bodyLimits{Inflated: 1 << 20, Floor: 1 << 16}, encoding)
		if err == nil && len(got) > max(1<<16, 100*len(body)) {
			t.Errorf("%d bytes became %d", len(body), len(got))
		}
		if err != nil && fault.Of(err) != fault.Invalid {
			t.Errorf("want a refusal, got %v", err)
		}
	})
}
