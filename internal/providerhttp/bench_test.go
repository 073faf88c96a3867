package providerhttp_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/beltline-io/beltline/internal/providerhttp"
	"github.com/beltline-io/beltline/pkg/providers"
)

const (
	shortAnswer = `{"error":false,"status":"ok","message":"created","id":123456789,"balance":10234.5}`
	longAnswer  = `{"orderId":10222502,"count":1,"price":560.10,"currency":"RUB","offerId":1001,"productName":"PUBG MOBILE GIFT","offerName":"60 UC",` +
		`"status":"COMPLETED","isReturnDataForCustomer":true,"key":"001434249936","createdAt":"2026-11-21T20:54:01.123Z",` +
		`"customer":{"email":"user@gmail.com","gameUserId":"52357322414"},"items":[{"id":1,"name":"Ключ"},{"id":2,"name":"Карта"}]}`
)

func BenchmarkDecodeJSON(b *testing.B) {
	type fields struct {
		Error   json.RawMessage    `json:"error"`
		Status  json.RawMessage    `json:"status"`
		Message providerhttp.Text  `json:"message"`
		ID      json.RawMessage    `json:"id"`
		OrderID providerhttp.ID    `json:"orderId"`
		Price   json.RawMessage    `json:"price"`
		Key     *providerhttp.Text `json:"key"`
	}
	for name, body := range map[string]string{"short": shortAnswer, "long": longAnswer} {
		b.Run(name, func(b *testing.B) {
			r := &providerhttp.Response{Status: 200, Body: []byte(body)}
			b.ReportAllocs()
			for b.Loop() {
				var into fields
				if err := providerhttp.DecodeJSON("shop.buy", r, &into); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What a whole request costs, under a deadline of the caller's as for an order.
func BenchmarkCreate(b *testing.B) {
	client := providerhttp.New(providerhttp.Config{Name: "shop", Timeout: longTimeout, Limiter: &limiter{}})
	b.Cleanup(client.Close)
	request := buying(answering(b, 200, "application/json", shortAnswer), shortAnswer)
	ctx := providers.WithSendGuard(b.Context(), func() error { return nil })
	b.ReportAllocs()
	for b.Loop() {
		timed, cancel := context.WithTimeout(ctx, longTimeout)
		_, err := client.Create(timed, request)
		cancel()
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRecord_FormAndShortAnswer(b *testing.B) {
	r := buying("https://shop.example", "amount=560.10&apikey=K3Y%2Fof%2Bours%3D%3D&login_or_email=gabe&service_id=5955")
	r.ContentType = "application/x-www-form-urlencoded"
	answer := &providerhttp.Response{Status: 200, Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}, Body: []byte(shortAnswer)}
	b.ReportAllocs()
	for b.Loop() {
		providerhttp.Record(r, answer, false)
	}
}

func BenchmarkRecord_JSONAndLongAnswer(b *testing.B) {
	r := buying("https://shop.example", `{"offerId":1001,"price":560.10,"transactionId":"b16csxjaq5h2x2rdpfgcsggpuf","customer":{"email":"user@gmail.com"}}`)
	answer := &providerhttp.Response{Status: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(longAnswer)}
	b.ReportAllocs()
	for b.Loop() {
		providerhttp.Record(r, answer, false)
	}
}
