// Command webhook-peer is what the benchmark `webhook` measures the injector against: a webhook on controller-runtime,
// written as its documentation does it. It gives a pod of an Alumet relay client what the injector gives it. What that is
// stands here as constants, where the injector works it out from the values on the pod. It runs without a manager, so
// nothing of a cluster is cached.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

const (
	defaultRegistry = "ghcr.io/alumet-dev/"
	registry        = "registry.example.org/alumet/"
	pullSecret      = "gh-registry-secret"
	record          = "injector.alumet.dev/status"
)

var (
	seconds     = int64(60)
	tolerations = []corev1.Toleration{
		{Key: "node-role.kubernetes.io/control-plane", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule},
		{Key: "dedicated", Operator: corev1.TolerationOpEqual, Value: "hpc", Effect: corev1.TaintEffectNoExecute, TolerationSeconds: &seconds},
	}
	nodeName = corev1.EnvVar{Name: "NODE_NAME", ValueFrom: &corev1.EnvVarSource{
		FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "spec.nodeName"},
	}}
)

type injector struct {
	decoder admission.Decoder
}

func (i *injector) Handle(_ context.Context, request admission.Request) admission.Response {
	pod := &corev1.Pod{}
	if err := i.decoder.Decode(request, pod); err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	inject(pod)
	changed, err := json.Marshal(pod)
	if err != nil {
		return admission.Errored(http.StatusInternalServerError, err)
	}
	return admission.PatchResponseFromRaw(request.Object.Raw, changed)
}

// inject adds what is not there yet: image registry, variable, pull secret, tolerations and a mark that it was done.
func inject(pod *corev1.Pod) {
	for c := range pod.Spec.Containers {
		container := &pod.Spec.Containers[c]
		if name, ours := strings.CutPrefix(container.Image, defaultRegistry); ours {
			container.Image = registry + name
		}
		if !slices.ContainsFunc(container.Env, func(e corev1.EnvVar) bool { return e.Name == nodeName.Name }) {
			container.Env = append(container.Env, nodeName)
		}
	}
	secret := corev1.LocalObjectReference{Name: pullSecret}
	if !slices.Contains(pod.Spec.ImagePullSecrets, secret) {
		pod.Spec.ImagePullSecrets = append(pod.Spec.ImagePullSecrets, secret)
	}
	for _, toleration := range tolerations {
		same := func(t corev1.Toleration) bool { return t.MatchToleration(&toleration) }
		if !slices.ContainsFunc(pod.Spec.Tolerations, same) {
			pod.Spec.Tolerations = append(pod.Spec.Tolerations, toleration)
		}
	}
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	pod.Annotations[record] = "{}"
}

// describe names the library and the compiler.
func describe() string {
	name := "controller-runtime"
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, module := range build.Deps {
			if module.Path == "sigs.k8s.io/controller-runtime" {
				name += " " + module.Version
			}
		}
	}
	return name + ", " + runtime.Version()
}

func main() {
	port := flag.Int("port", 0, "port of 127.0.0.1")
	certificates := flag.String("certificates", "", "directory of tls.crt and tls.key")
	version := flag.Bool("version", false, "say what this was built from")
	flag.Parse()
	if *version {
		fmt.Println(describe())
		return
	}
	ctrl.SetLogger(logr.Discard())
	server := webhook.NewServer(webhook.Options{
		Host:    "127.0.0.1",
		Port:    *port,
		CertDir: *certificates,
		TLSOpts: []func(*tls.Config){func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 }},
	})
	server.Register("/mutate", &webhook.Admission{Handler: &injector{decoder: admission.NewDecoder(scheme.Scheme)}})
	if err := server.Start(ctrl.SetupSignalHandler()); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
