package web

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Check asks one part whether it can serve. What is required and fails makes
// /readyz 503; what is not makes it "degraded".
type Check struct {
	Name     string
	Required bool
	Ask      func(ctx context.Context) error
}

const checkTimeout = 3 * time.Second

// livezShow says that the process answers.
func (s *site) livezShow(c *fiber.Ctx) error {
	return c.JSON(map[string]string{"status": "alive"})
}

// readyzShow runs a real query in each store, and says when more events come
// than are taken: whoever spreads the load may then spread it otherwise.
func (s *site) readyzShow(c *fiber.Ctx) error {
	checks := append([]Check{{Name: "postgres", Required: true, Ask: s.askPostgres}}, s.Checks...)
	answer := struct {
		Status string            `json:"status"`
		Checks map[string]string `json:"checks"`
	}{"ready", map[string]string{}}
	code := fiber.StatusOK
	for _, check := range checks {
		if err := s.ask(c.UserContext(), check); err == nil {
			answer.Checks[check.Name] = "ready"
			continue
		}
		answer.Checks[check.Name] = "away"
		if check.Required {
			answer.Status, code = "unavailable", fiber.StatusServiceUnavailable
		} else if code == fiber.StatusOK {
			answer.Status = "degraded"
		}
	}
	if s.Telemetry != nil {
		answer.Checks["ingest"] = "ready"
		if shedding, _ := s.Telemetry.Shedding(); shedding {
			answer.Checks["ingest"] = "shedding"
			if code == fiber.StatusOK {
				answer.Status = "degraded"
			}
		}
	}
	return c.Status(code).JSON(answer)
}

func (s *site) ask(ctx context.Context, check Check) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	err := check.Ask(ctx)
	if err != nil {
		s.log().Warn("a part is away", "part", check.Name, "error", loggable(err))
	}
	return err
}

func (s *site) askPostgres(ctx context.Context) error {
	if s.DB == nil {
		return errSignIn
	}
	var people int64
	return s.DB.QueryRow(ctx, `SELECT count(*) FROM (SELECT 1 FROM people LIMIT 1) AS any_row`).Scan(&people)
}

// requestMetrics are the figures of the door. Routes are patterns, never
// addresses, so that no id or text becomes a label.
type requestMetrics struct {
	count   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

func measureRequests(to prometheus.Registerer) *requestMetrics {
	m := &requestMetrics{
		count: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "assay_http_requests_total", Help: "Requests answered, by route pattern, method and status."},
			[]string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "assay_http_request_seconds", Help: "Time to answer a request, by route pattern and method.",
			Buckets: []float64{.002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}},
			[]string{"route", "method"}),
	}
	if to != nil {
		to.MustRegister(m.count, m.seconds)
	}
	return m
}

func (m *requestMetrics) observe(c *fiber.Ctx, route string, took time.Duration) {
	if route == "" {
		route = "none"
	}
	method := c.Method()
	m.count.WithLabelValues(route, method, strconv.Itoa(c.Response().StatusCode())).Inc()
	m.seconds.WithLabelValues(route, method).Observe(took.Seconds())
}

// NewRegistry returns a registry with the process's own figures in it.
func NewRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return registry
}

// Admin is what answers on the admin address, which is loopback unless told
// otherwise: GET /metrics in Prometheus' format, and /livez.
func Admin(registry *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	metrics := promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		EnableOpenMetrics: true, MaxRequestsInFlight: 4, Timeout: 20 * time.Second})
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("alive\n")) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		w.Header().Set("Cache-Control", "no-store")
		mux.ServeHTTP(w, r)
	})
}
