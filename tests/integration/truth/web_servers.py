"""Web servers and proxies, each with its own access log in the form of OWN_LOG where it lets one choose."""

from truth.server import Plan, Server


def nginx_configuration(site, listen, body, log="access.log", top="", http="",
                        log_format="$request_method $uri $status $bytes_sent"):
    name = log.removesuffix(".log")
    return site.write(f"{name}.nginx.conf", f"""
{top} worker_processes 1; daemon off; pid {site.path(name)}.pid; error_log {site.path(name)}.error.log warn;
events {{ worker_connections 1024; }}
http {{
  log_format truth '{log_format}';
  access_log {site.path(log)} truth;
  client_body_temp_path {site.path(name)}.body; proxy_temp_path {site.path(name)}.proxy;
  fastcgi_temp_path {site.path(name)}.fastcgi; uwsgi_temp_path {site.path(name)}.uwsgi;
  scgi_temp_path {site.path(name)}.scgi;
  {http}
  sendfile on; keepalive_requests 100000000;
  server {{ listen {listen}; {tls_lines(site) if log == "access.log" else ""} {body} }}
}}
""")


def tls_lines(site):
    return f"ssl_certificate {site.certificate}; ssl_certificate_key {site.key};" if site.tls else ""


def run_nginx(site, configuration):
    return Plan(["/usr/sbin/nginx", "-p", str(site.directory), "-c", configuration, "-e", site.path("error.log")])


def nginx(*options):
    def plan(site):
        words = [f"127.0.0.1:{site.port}", *options, *(["ssl"] if site.tls else [])]
        return run_nginx(site, nginx_configuration(site, " ".join(words), f"root {site.www};"))

    return plan


def nginx_upstream(site):
    """Plain nginx behind a proxy; its log is a file of its own."""
    listen = f"127.0.0.1:{site.upstream_port}"
    return run_nginx(site, nginx_configuration(site, listen, f"root {site.www};", "upstream.log"))


def apache2(site):
    http2 = site.protocol == "h2"
    modules = ["mpm_event", "authz_core", "dir", "mime", *(["ssl", "socache_shmcb"] if site.tls else []),
               *(["http2"] if http2 else [])]
    loads = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in modules)
    # %O counts what goes to the socket: TLS records and HTTP/2 frames with what holds them
    tls = f"SSLEngine on\nSSLCertificateFile {site.certificate}\nSSLCertificateKeyFile {site.key}" if site.tls else ""
    configuration = site.write("apache.conf", f"""
ServerName 127.0.0.1
ServerRoot {site.directory}
DefaultRuntimeDir {site.directory}
PidFile {site.path("apache.pid")}
Listen 127.0.0.1:{site.port}
{loads}
TypesConfig /etc/mime.types
User www-data
Group www-data
MaxKeepAliveRequests 0
DocumentRoot {site.www}
ErrorLog {site.path("error.log")}
LogFormat "%m %U %>s {"-" if site.tls or http2 else "%O"}" truth
CustomLog {site.path("access.log")} truth
{"Protocols h2 h2c" if http2 else ""}
{tls}
""")
    return Plan(["/usr/sbin/apache2", "-f", configuration, "-DFOREGROUND"])


def haproxy(site):
    # its %B counts the response in its own representation, which is some bytes shorter than what it sends;
    # with more than one thread it drops a log line when another thread is writing one
    configuration = site.write("haproxy.cfg", f"""
global
  nbthread 1
  log stdout len 4096 format raw local0
defaults
  mode http
  option dontlognull
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  log-format "%HM %HP %ST -"
frontend truth
  bind 127.0.0.1:{site.port}{f" ssl crt {site.path('both.pem')}" if site.tls else ""}
  log global
  default_backend nginx
backend nginx
  server one 127.0.0.1:{site.upstream_port}
""")
    return Plan(["/usr/sbin/haproxy", "-db", "-f", configuration], log="output")


def lighttpd(site):
    tls = f'ssl.engine = "enable"\nssl.pemfile = "{site.path("both.pem")}"' if site.tls else ""
    configuration = site.write("lighttpd.conf", f"""
server.modules = ("mod_accesslog"{', "mod_openssl"' if site.tls else ''})
server.document-root = "{site.www}"
server.bind = "127.0.0.1"
server.port = {site.port}
server.max-keep-alive-requests = 0
server.errorlog = "{site.path("error.log")}"
accesslog.filename = "{site.path("access.log")}"
accesslog.format = "%m %U %s %O"
{tls}
""")
    return Plan(["/usr/sbin/lighttpd", "-D", "-f", configuration])


def caddy(site):
    tls = f"tls {site.certificate} {site.key}" if site.tls else ""
    configuration = site.write("Caddyfile", f"""
{{
  admin off
  auto_https off
  servers {{
    protocols h1 h2 h2c
  }}
  storage file_system {site.path("caddy")}
}}
{site.base} {{
  root * {site.www}
  {tls}
  file_server
  log {{
    output file {site.path("access.log")}
    format json
  }}
}}
""")
    # its "size" is the body alone
    pattern = r'"method":"(?P<method>[A-Z]+)".*?"uri":"(?P<path>/[^"?]*)[^"]*".*"status":(?P<status>\d+)'
    return Plan(["/usr/bin/caddy", "run", "--adapter", "caddyfile", "--config", configuration], pattern=pattern,
                environment={"HOME": str(site.directory), "XDG_DATA_HOME": str(site.directory)})


def varnish(site):
    store = site.path("varnish")
    return Plan(["/usr/sbin/varnishd", "-F", "-n", store, "-a", f"127.0.0.1:{site.port}", "-s", "malloc,32m",
                 "-b", f"127.0.0.1:{site.upstream_port}", "-p", "vsl_space=80M"],
                companions=[["/usr/bin/varnishncsa", "-n", store, "-w", site.path("access.log"), "-t", "20",
                             "-F", "%m %U %s %O"]])


SERVERS = (
    Server("nginx", nginx(), tls=True),
    # the socket is made of the packet that carries the request
    Server("nginx deferred", nginx("deferred"), tls=True),
    Server("apache2", apache2, tls=True),
    Server("haproxy", haproxy, tls=True, upstream=nginx_upstream),
    Server("lighttpd", lighttpd, tls=True),
    Server("caddy", caddy, tls=True),
    Server("varnish", varnish, upstream=nginx_upstream),
)
