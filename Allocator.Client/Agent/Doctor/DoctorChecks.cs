using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.RegularExpressions;
using Allocator.Client.Agent.Hooks;
using Allocator.Client.Agent.Processes;
using Allocator.Client.Agent.Systemd;
using Allocator.Client.Terminal;
using Allocator.Polling;

namespace Allocator.Client.Agent.Doctor;

/// <summary>
/// The checks of <c>allocator doctor</c>, in the order of the client's own steps. They change nothing, here or at the
/// allocator: they never poll, since the poll of a free VM may take the next person in the queue.
/// </summary>
/// <param name="config">The settings file; null for the service's, with the service's environment.</param>
internal sealed partial class DoctorChecks(FileInfo? config, TimeProvider time)
{
    private const long MinSpace = 16 * 1024 * 1024;
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan MaxClockError = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan MaxClockErrorWithoutWarning = TimeSpan.FromSeconds(30);

    private const string RunAsRoot = "Only root and the service may read it. Run: sudo allocator doctor";
    private const string InstallToken = "sudo allocator install --enrolment-token-file FILE";
    private const string CaptivePortal =
        "This is a captive portal, which requires a login first, or another site. Exempt the VM's network from the portal";

    private readonly string _path = config?.FullName ?? InstalledFiles.Configuration;
    private readonly ProgramRunner _programs = new(time);
    private IReadOnlyList<string> _proxiesOfShell = [];
    private bool _checksAsService;

    public async IAsyncEnumerable<CheckResult> RunAsync([EnumeratorCancellation] CancellationToken cancel)
    {
        if (config is null)
        {
            _proxiesOfShell = ServiceEnvironment.Adopt(InstalledFiles.Environment);
            _checksAsService = Environment.IsPrivilegedProcess && ServiceUser.IsIn(await File.ReadAllTextAsync("/etc/passwd", cancel));
        }
        var (configuration, options) = await ReadAsync(cancel);
        yield return configuration;
        if (options is null)
        {
            yield break;
        }
        yield return await StateFolderAsync(options, cancel);
        yield return MachineId(options);

        using var probe = new Probe(options, Timeout);
        var live = At(options, "/health/live");
        yield return Proxy(options, live);
        await probe.SendAsync(live, time, cancel);
        CheckResult[] network = [Name(probe), Connection(probe), Clock(probe), Tls(probe, live), Http(probe, live), Allocator(probe)];
        string? failed = null;
        foreach (var result in network)
        {
            yield return failed is null ? result : Skipped(result.Check, $"skipped: {failed} failed");
            // A wrong clock may be why TLS fails, so TLS is still checked after it.
            failed ??= result is { Status: CheckStatus.Failed, Check: not "clock" } ? result.Check : null;
        }
        yield return failed is null ? await TokenAsync(options, cancel) : Skipped("token", $"not sent: {failed} failed");
        foreach (var hook in Hook.All)
        {
            yield return await HookAsync(hook, options, cancel);
        }
        yield return await ServiceAsync(cancel);
    }

    private async Task<(CheckResult, ClientOptions?)> ReadAsync(CancellationToken cancel)
    {
        const string check = "configuration";
        if (!File.Exists(_path) && config is not null)
        {
            return (Failed(check, ExitCode.WrongUsage, $"{_path} does not exist.", "Name the settings file, or omit --config."), null);
        }
        if (ClientSettings.IsClosed(_path))
        {
            return (Failed(check, ExitCode.NotPermitted, $"{Environment.UserName} may not read {_path}.", RunAsRoot), null);
        }
        try
        {
            var (settings, options) = ClientSettings.Read(config);
            if (File.Exists(_path) && !await MayAsync("-r", _path, cancel))
            {
                return (Failed(check, ExitCode.NotPermitted, $"{CheckedUser} cannot read {_path}.",
                    $"Run: chown root:{ServiceUser.Name} {_path}; chmod 640 {_path}"), null);
            }
            if (settings["EnrolmentTokenFile"] is { } tokenFile && !await MayAsync("-r", tokenFile, cancel))
            {
                return (Failed(check, ExitCode.NotPermitted, $"{CheckedUser} cannot read the enrolment token in {tokenFile}.",
                    $"Run: {InstallToken}; it copies the token to a file that only the service can read."), null);
            }
            var text = $"{_path}: {options.Hostname}{(options.Pool is { } pool ? $" in pool {pool}" : "")}, at {options.Url}";
            return (File.Exists(_path) && settings["EnrolmentToken"] is not null && (File.GetUnixFileMode(_path) & UnixFileMode.OtherRead) != 0
                ? Warned(check, $"{text}. It contains the enrolment token, and every user of this machine can read it.", $"Run: chmod o= {_path}")
                : Passed(check, text), options);
        }
        catch (ClientOptionsException e)
        {
            return (File.Exists(_path)
                ? Failed(check, ExitCode.WrongUsage, e.Message, $"Correct it in {_path}; docs/configuration.md describes every setting.")
                : Failed(check, ExitCode.WrongUsage, $"{_path} does not exist. {e.Message}", "Run: sudo allocator install --url https://…"), null);
        }
        catch (Exception e) when (e is InvalidDataException or FormatException)
        {
            return (Failed(check, ExitCode.WrongUsage, $"{_path} is not JSON: {e.GetBaseException().Message}",
                "Correct it; usually a comma or a quotation mark is missing."), null);
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            return (Failed(check, ExitCode.NotPermitted, $"{_path} cannot be read: {e.Message}", RunAsRoot), null);
        }
    }

    private async Task<CheckResult> StateFolderAsync(ClientOptions options, CancellationToken cancel)
    {
        const string check = "state folder";
        var folder = options.StateFolder;
        if (!Directory.Exists(folder))
        {
            return folder == InstalledFiles.StateFolder && config is null
                ? Passed(check, $"{folder} will be created by systemd when the service starts")
                : Warned(check, $"{folder} does not exist; the client creates it if it has permission.", $"Run: install -d -m 700 {folder}");
        }
        if (!await MayAsync("-w", folder, cancel) || !await MayAsync("-x", folder, cancel))
        {
            return Failed(check, ExitCode.Machine,
                $"{CheckedUser} cannot write to {folder}: a restart would lose the VM's token and current assignment.",
                $"Run: chown -R {ServiceUser.Name}: {folder}; chmod 700 {folder}. If the disk is read-only, set StateFolder.");
        }
        var space = new DriveInfo(folder).AvailableFreeSpace;
        return space < MinSpace
            ? Failed(check, ExitCode.Machine, $"The disk of {folder} has only {space / 1024:N0} KiB left.",
                "Free some space; to find large files of hooks and people, run: du -xh / | sort -h | tail")
            : Passed(check, $"{folder}, {space / 1024 / 1024:N0} MiB free");
    }

    private static CheckResult MachineId(ClientOptions options) =>
        MachineIdPattern().IsMatch(options.MachineId) && options.MachineId != "uninitialized"
            ? Passed("machine id", options.MachineId)
            : Failed("machine id", ExitCode.Machine, $"'{options.MachineId}' does not identify this machine uniquely.",
                "Run: systemd-machine-id-setup. In an image leave /etc/machine-id empty, so that each VM creates its own.");

    private CheckResult Proxy(ClientOptions options, Uri url)
    {
        const string check = "proxy";
        var proxies = options.Proxy ?? HttpClient.DefaultProxy;
        var proxy = proxies.IsBypassed(url) ? null : proxies.GetProxy(url);
        var text = proxy is null ? "none" : proxy.GetComponents(UriComponents.SchemeAndServer, UriFormat.UriEscaped);
        return _proxiesOfShell.Count == 0 || options.Proxy is not null
            ? Passed(check, text)
            : Warned(check, $"{text}. The service does not get {string.Join(", ", _proxiesOfShell)} from this shell.",
                $"If the service needs it, write it to {InstalledFiles.Environment} and restart the service.");
    }

    private static CheckResult Name(Probe probe) => probe.Stage >= ConnectionStage.Name
        ? Passed("name", $"{probe.Peer!.Host} is {string.Join(", ", probe.Addresses.Take(4).Select(address => $"{address}"))}")
        : Failed("name", ExitCode.Unreachable, $"'{probe.Peer?.Host}' has no address: {Why(probe)}.",
            "Check the name in Url (or of the proxy), and the name server in /etc/resolv.conf or resolvectl status. "
            + $"Try: getent hosts {probe.Peer?.Host}");

    private static CheckResult Connection(Probe probe) => probe.Stage >= ConnectionStage.Connection
        ? Passed("connection", $"{probe.ConnectedTo} accepts connections")
        : Failed("connection", ExitCode.Unreachable, $"{probe.Peer?.Host}, port {probe.Peer?.Port}, does not accept connections: {Why(probe)}.",
            probe.Failure?.GetBaseException() is SocketException { SocketErrorCode: SocketError.ConnectionRefused }
                ? "The machine is up, but nothing listens on that port. Check the port, and whether the allocator (or the proxy) is running."
                : "A firewall or a security group drops the connection, or the machine is off. Allow outgoing connections to that port.");

    private static CheckResult Clock(Probe probe)
    {
        const string check = "clock";
        if (probe.ClockAhead is not { } ahead)
        {
            return Skipped(check, "skipped: no server time to compare with");
        }
        var text = $"This machine's clock is {ahead.Duration():d\\.hh\\:mm\\:ss} "
            + $"{(ahead > TimeSpan.Zero ? "ahead of" : "behind")} that of {probe.Peer!.Host}.";
        const string remedy = "Run: timedatectl set-ntp true, and check with: timedatectl timesync-status. TLS and the times in logs depend on it.";
        return ahead.Duration() > MaxClockError ? Failed(check, ExitCode.Machine, text, remedy)
            : ahead.Duration() > MaxClockErrorWithoutWarning ? Warned(check, text, remedy)
            : Passed(check, $"within {MaxClockErrorWithoutWarning.TotalSeconds:0} s of {probe.Peer!.Host}");
    }

    private CheckResult Tls(Probe probe, Uri url)
    {
        const string check = "TLS";
        if (url.Scheme != Uri.UriSchemeHttps)
        {
            return url.IsLoopback
                ? Skipped(check, "skipped: Url is http, on this machine")
                : Warned(check, "Url is http: others on the network can read the VM's token, its person and the code of their desktop.",
                    "Set Url to the allocator's https address.");
        }
        if (probe.Certificate is not { } certificate)
        {
            return Failed(check, ExitCode.Unreachable, $"TLS handshake failed: {Why(probe)}.",
                (probe.Failure as HttpRequestException)?.HttpRequestError == HttpRequestError.ProxyTunnelError
                    ? "The proxy refuses the connection: it must allow CONNECT to the allocator's host and port; write a password into its address."
                    : $"Check that the port speaks TLS 1.2 or newer. Try: openssl s_client -connect {url.Host}:{url.Port}");
        }
        var errors = CertificateErrors(probe, certificate, url).ToArray();
        return errors.Length > 0
            ? Failed(check, ExitCode.Unreachable,
                $"The certificate of {url.Host} is not valid: {string.Join("; ", errors.Select(error => error.Text))}.",
                string.Join(" ", errors.Select(error => error.Remedy)))
            : Passed(check, $"a certificate for {Names(certificate)} by {Issuer(certificate)}, valid until {Time(certificate.NotAfter)}");
    }

    private IEnumerable<(string Text, string Remedy)> CertificateErrors(Probe probe, X509Certificate2 certificate, Uri url)
    {
        if (probe.CertificateErrors == SslPolicyErrors.None)
        {
            yield break;
        }
        var now = time.GetUtcNow().UtcDateTime;
        var known = true;
        if (certificate.NotAfter.ToUniversalTime() < now)
        {
            yield return ($"it expired on {Time(certificate.NotAfter)}",
                "Renew the certificate at the allocator's load balancer, unless this machine's clock is wrong.");
        }
        else if (certificate.NotBefore.ToUniversalTime() > now)
        {
            yield return ($"it is not valid before {Time(certificate.NotBefore)}", "This machine's clock is probably behind: see the clock check.");
        }
        else if (probe.ChainErrors.HasFlag(X509ChainStatusFlags.NotTimeValid))
        {
            yield return ("a certificate in its chain has expired", "Renew the chain at the allocator's load balancer, or this machine's CA "
                + "certificates: apt-get install --only-upgrade ca-certificates");
        }
        else
        {
            known = false;
        }
        if (probe.CertificateErrors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
        {
            known = true;
            yield return ($"it is for {Names(certificate)}, not for {url.Host}", "Set Url to a name in the certificate, or get a certificate for "
                + "this name. A captive portal or an intercepting proxy shows its own certificate.");
        }
        if ((probe.ChainErrors & (X509ChainStatusFlags.UntrustedRoot | X509ChainStatusFlags.PartialChain)) != 0)
        {
            known = true;
            yield return ($"this machine does not trust its issuer: {Issuer(certificate)}",
                "If that CA is yours, set CaFile to its certificate, or put it into /usr/local/share/ca-certificates/ (as .crt) and run: "
                + "update-ca-certificates. The package ca-certificates must be installed.");
        }
        if (!known)
        {
            yield return ($"{probe.CertificateErrors}, {probe.ChainErrors}", $"Try: openssl s_client -connect {url.Host}:{url.Port}");
        }
    }

    private static CheckResult Http(Probe probe, Uri url)
    {
        const string check = "HTTP";
        if (probe.Response is not { } response)
        {
            return Failed(check, ExitCode.Unreachable, $"The server does not respond with HTTP: {Why(probe)}.",
                "Check the port in Url, and whether it is http or https.");
        }
        var status = $"{(int)response.StatusCode} {response.ReasonPhrase}";
        var (text, remedy) = response.StatusCode switch
        {
            >= HttpStatusCode.MultipleChoices and < HttpStatusCode.BadRequest => ($"{status} to {response.Headers.Location}.",
                response.Headers.Location is { IsAbsoluteUri: true, Scheme: "https" } better && better.Host == url.Host && url.Scheme == "http"
                    ? $"The allocator requires https: set Url to https://{better.Authority}"
                    : $"The allocator never redirects. {CaptivePortal}."),
            HttpStatusCode.ProxyAuthenticationRequired => ($"{status}: the proxy requires a password.",
                $"Set Proxy to http://user:password@host:port, or write it to {InstalledFiles.Environment} (mode 0600)."),
            HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout => (
                $"{status}: the load balancer has no healthy backend.",
                "This VM is fine, but the allocator is down; its log and /health/ready say why. VMs wait, and recover by themselves."),
            _ when response.Content.Headers.ContentType?.MediaType == "text/html" || probe.Body.TrimStart().StartsWith('<') => (
                $"{status}, with a web page: {Title(probe.Body)}.", $"{CaptivePortal}, and check Url."),
            _ => (status, null),
        };
        return remedy is null ? Passed(check, text) : Failed(check, ExitCode.Unreachable, text, remedy);
    }

    private static CheckResult Allocator(Probe probe) => probe is { Response.StatusCode: HttpStatusCode.OK, Body: "live" }
        ? Passed("allocator", "/health/live responds as an allocator")
        : Failed("allocator", ExitCode.Unreachable,
            $"The server is not an allocator: {(int?)probe.Response?.StatusCode} for {probe.Response?.RequestMessage?.RequestUri?.AbsolutePath}.",
            "Check Url, and its path if the allocator has one.");

    /// <summary>
    /// Checks the VM's token with an empty report, which changes nothing, and the enrolment token with an enrolment without
    /// a name, which is refused only after its token was accepted.
    /// </summary>
    private static async Task<CheckResult> TokenAsync(ClientOptions options, CancellationToken cancel)
    {
        const string check = "token";
        var path = Path.Combine(options.StateFolder, "token");
        string? own;
        try
        {
            own = File.Exists(path) ? (await File.ReadAllTextAsync(path, cancel)).Trim() : null;
        }
        catch (UnauthorizedAccessException)
        {
            return Failed(check, ExitCode.NotPermitted, $"{path} cannot be read.", RunAsRoot);
        }
        string? enrolment;
        try
        {
            enrolment = options.EnrolmentToken is { } source ? await source(cancel) : null;
        }
        catch (Exception e) when (!cancel.IsCancellationRequested)
        {
            return Failed(check, ExitCode.Credentials, $"The enrolment token cannot be read: {e.Message}", "Check where the settings take it from.");
        }
        try
        {
            if (own is not null)
            {
                var status = await SendAsync(HttpMethod.Put, options, $"/vms/{options.Hostname}/report", own, cancel);
                if (status is not (HttpStatusCode.Unauthorized or HttpStatusCode.NotFound or HttpStatusCode.Forbidden))
                {
                    return status switch
                    {
                        HttpStatusCode.NoContent => Passed(check, $"the allocator accepts the token of {options.Hostname}"),
                        HttpStatusCode.Gone => Failed(check, ExitCode.Refused, $"An admin has deleted {options.Hostname}.",
                            $"Nobody will be assigned to it again. To bring it back, remove {path} and restart the service with an enrolment token."),
                        _ => Unclear(status),
                    };
                }
                if (enrolment is null)
                {
                    return Failed(check, ExitCode.Credentials, status == HttpStatusCode.Forbidden
                            ? $"The token in {path} belongs to another VM, not to {options.Hostname}."
                            : $"The allocator does not accept the token in {path}: another machine enrolled as {options.Hostname}, or the "
                                + "allocator has a new database.",
                        $"Run: {InstallToken}; with it the VM enrols again.");
                }
            }
            if (enrolment is null)
            {
                return Failed(check, ExitCode.Credentials, "The VM is not enrolled, and has no enrolment token.", $"Run: {InstallToken}");
            }
            return await SendAsync(HttpMethod.Post, options, "/vms", enrolment, cancel) switch
            {
                HttpStatusCode.BadRequest => own is null
                    ? Passed(check, "not enrolled yet; the allocator accepts the enrolment token")
                    : Warned(check, "The allocator no longer accepts this VM's token, but accepts the enrolment token: the client enrols again "
                        + "at its next poll.",
                        "If this happens repeatedly, two machines have the same host name."),
                HttpStatusCode.Unauthorized => Failed(check, ExitCode.Credentials, "The allocator does not accept the enrolment token.",
                    $"Get a valid one and run: {InstallToken}"),
                var status => Unclear(status),
            };
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException && !cancel.IsCancellationRequested)
        {
            return Failed(check, ExitCode.Unreachable, $"No response: {e.GetBaseException().Message}", "Try again.");
        }

        static CheckResult Unclear(HttpStatusCode status) => Failed(
            check, ExitCode.Unreachable, $"The allocator responded {(int)status} {status}: it cannot check the token now.",
            "This VM is fine. The allocator's log says what is wrong, such as its database.");
    }

    private static async Task<HttpStatusCode> SendAsync(HttpMethod method, ClientOptions options, string path, string token, CancellationToken cancel)
    {
        using var http = new HttpClient(Connections.Create(options)) { Timeout = Timeout };
        using var request = new HttpRequestMessage(method, At(options, path));
        request.Content = new StringContent("{}", Encoding.UTF8, "application/json");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var response = await http.SendAsync(request, cancel);
        return response.StatusCode;
    }

    private async Task<CheckResult> HookAsync(Hook hook, ClientOptions options, CancellationToken cancel)
    {
        if (hook.Command(options) is not [var program, ..])
        {
            return Skipped(hook.Check, "skipped: none configured");
        }
        var path = Path.IsPathRooted(program)
            ? program
            : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(folder => Path.Combine(folder, program))
                .FirstOrDefault(File.Exists);
        if (path is null || !File.Exists(path))
        {
            return Failed(hook.Check, ExitCode.Hook, $"There is no program {program}.",
                "Check the spelling. Give its full path, and its arguments as further elements of the list.");
        }
        if (!await MayAsync("-x", path, cancel))
        {
            return Failed(hook.Check, ExitCode.Hook, $"{CheckedUser} cannot run {path}.",
                $"Run: chmod 755 {path}. The service must also have access to the folders above it.");
        }
        if (Interpreter(path) is { } interpreter && !File.Exists(interpreter))
        {
            return Failed(hook.Check, ExitCode.Hook, $"The first line of {path} names the interpreter {interpreter}, which does not exist.",
                interpreter.EndsWith('\r') ? $"It was written on Windows. Run: sed -i 's/\\r$//' {path}"
                    : "Install it, or correct the first line of the hook.");
        }
        return (File.GetUnixFileMode(path) & UnixFileMode.OtherWrite) != 0
            ? Warned(hook.Check, $"Every user of this VM can change {path}, including its person.", $"Run: chmod o-w {path}")
            : Passed(hook.Check, path);
    }

    private async Task<CheckResult> ServiceAsync(CancellationToken cancel)
    {
        const string check = "service";
        if (config is not null)
        {
            return Skipped(check, "skipped: --config was given");
        }
        return await ServiceUnit.ReadAsync(cancel) switch
        {
            null => Skipped(check, "skipped: systemd does not run here"),
            { LoadState: not "loaded" } =>
                Failed(check, ExitCode.Service, $"There is no {ServiceUnit.Name}.", "Run: sudo allocator install --url https://…"),
            { UnitFileState: not "enabled" } unit => Failed(check, ExitCode.Service,
                $"{ServiceUnit.Name} is {unit.UnitFileState}: it would not start at the next boot.",
                $"Run: systemctl enable --now {ServiceUnit.Name}"),
            { IsActive: true } unit => Passed(check, $"enabled, {unit.ActiveState} since {unit.ActiveSince}"),
            var unit => Failed(check, ExitCode.Service, $"{ServiceUnit.Name} is {unit.ActiveState} ({unit.SubState}).",
                $"Run: systemctl restart {ServiceUnit.Name}; to see why it ended: journalctl -u {ServiceUnit.Name} -n 50"),
        };
    }

    /// <summary>Gets the user whose access to files is checked.</summary>
    private string CheckedUser => _checksAsService ? $"The service's user {ServiceUser.Name}" : Environment.UserName;

    private async Task<bool> MayAsync(string access, string path, CancellationToken cancel)
    {
        string[] test = ["test", access, path];
        return (await _programs.RunSystemAsync(_checksAsService ? ["runuser", "-u", ServiceUser.Name, "--", .. test] : test, cancel)).Succeeded;
    }

    private static Uri At(ClientOptions options, string path) => new(options.Url.GetLeftPart(UriPartial.Path).TrimEnd('/') + path);

    private static string Why(Probe probe) => probe.Failure?.GetBaseException().Message.TrimEnd('.') ?? "no response";

    private static string Issuer(X509Certificate2 certificate) => certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: true);

    private static string? Time(DateTime time) => Output.Time(time.ToUniversalTime());

    private static string Names(X509Certificate2 certificate)
    {
        var names = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>()
            .SelectMany(extension => extension.EnumerateDnsNames().Concat(extension.EnumerateIPAddresses().Select(address => $"{address}")))
            .ToArray();
        return names.Length == 0
            ? certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false)
            : string.Join(", ", names.Take(4)) + (names.Length > 4 ? ", …" : "");
    }

    private static string Title(string page) => PageTitle().Match(page) is { Success: true } match
        ? $"'{new string([.. WebUtility.HtmlDecode(match.Groups[1].Value).Trim().Where(c => !char.IsControl(c)).Take(80)])}'"
        : "without a title";

    private static string? Interpreter(string path)
    {
        try
        {
            using var reader = new StreamReader(path);
            var start = new char[256];
            var line = new string(start, 0, reader.ReadBlock(start)).Split('\n')[0];
            return line.StartsWith("#!", StringComparison.Ordinal) ? line[2..].TrimStart(' ').Split(' ')[0] : null;
        }
        catch (UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static CheckResult Passed(string check, string text) => new(check, CheckStatus.Passed, text);

    private static CheckResult Skipped(string check, string text) => new(check, CheckStatus.Skipped, text);

    private static CheckResult Warned(string check, string text, string remedy) => new(check, CheckStatus.Warned, text, remedy);

    private static CheckResult Failed(string check, ExitCode code, string text, string remedy) =>
        new(check, CheckStatus.Failed, text, remedy) { Code = code };

    [GeneratedRegex("^[A-Za-z0-9._:-]{1,128}$")]
    private static partial Regex MachineIdPattern();

    [GeneratedRegex("<title[^>]*>(.*?)</title>", RegexOptions.IgnoreCase | RegexOptions.Singleline)]
    private static partial Regex PageTitle();
}
