using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.RegularExpressions;
using Allocator.Client.Agent.Systemd;
using Allocator.Client.Terminal;

namespace Allocator.Client.Agent.Doctor;

/// <summary>
/// The doctor's steps, in the order in which the client itself takes them. It looks and changes nothing, here or at the
/// allocator: it never polls, since the poll of a free VM may take the next person.
/// </summary>
/// <param name="config">Null: what the service uses, and its environment.</param>
internal sealed partial class DoctorChecks(FileInfo? config, TimeProvider time)
{
    private const long MinSpace = 16 * 1024 * 1024;
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan TooFarOff = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan Off = TimeSpan.FromSeconds(30);

    private const string ForRoot = "Only root and the service may look. Say: sudo allocator doctor";

    private readonly string _path = config?.FullName ?? InstalledFiles.Configuration;
    private IReadOnlyList<string> _proxiesOfShell = [];
    private bool _asksForService;

    public async IAsyncEnumerable<CheckResult> RunAsync([EnumeratorCancellation] CancellationToken cancel)
    {
        if (config is null)
        {
            _proxiesOfShell = ServiceEnvironment.Adopt(InstalledFiles.Environment);
            _asksForService = Environment.IsPrivilegedProcess && ServiceUser.IsIn(File.ReadAllText("/etc/passwd"));
        }
        var (configuration, options) = await ReadAsync(cancel);
        yield return configuration;
        if (options is null)
        {
            yield break;
        }
        yield return await StateFolderAsync(options, cancel);
        yield return MachineId(options);

        using var probe = new Probe(Timeout);
        var live = At(options, "/health/live");
        yield return Proxy(live);
        await probe.AskAsync(live, time, cancel);
        CheckResult[] way = [Name(probe), Connection(probe), Clock(probe), Tls(probe, live), Http(probe, live), Allocator(probe)];
        string? blockedBy = null;
        foreach (var step in way)
        {
            yield return blockedBy is null ? step : new CheckResult(step.Step, Verdict.Skipped, $"not looked at, because of: {blockedBy}");
            // A clock that is wrong may be why TLS fails, so that one is still told.
            blockedBy ??= step is { Verdict: Verdict.Failed, Step: not "clock" } ? step.Step : null;
        }
        yield return blockedBy is null
            ? await TokenAsync(options, cancel)
            : new CheckResult("token", Verdict.Skipped, $"shown to nobody, because of: {blockedBy}");
        foreach (var finding in await HooksAsync(options, cancel))
        {
            yield return finding;
        }
        yield return await ServiceAsync(cancel);
    }

    private async Task<(CheckResult, ClientOptions?)> ReadAsync(CancellationToken cancel)
    {
        const string step = "configuration";
        if (!File.Exists(_path) && config is not null)
        {
            return (Failed(step, ExitCode.WrongUsage, $"There is no file {_path}.", "Name the settings file, or leave --config out."), null);
        }
        if (ClientSettings.IsClosed(_path))
        {
            return (Failed(step, ExitCode.NotPermitted, $"{_path} is closed to {Environment.UserName}.", ForRoot), null);
        }
        try
        {
            var (settings, options) = ClientSettings.Read(config);
            if (File.Exists(_path) && !await MayAsync("-r", _path, cancel))
            {
                return (Failed(step, ExitCode.NotPermitted, $"{Who} cannot read {_path}.", $"Say: chown root:{ServiceUser.Name} {_path}; chmod 640 {_path}"), null);
            }
            if (settings["EnrolmentTokenFile"] is { } tokenFile && !await MayAsync("-r", tokenFile, cancel))
            {
                return (Failed(step, ExitCode.NotPermitted, $"{Who} cannot read the enrolment token in {tokenFile}.",
                    "Say: sudo allocator install --enrolment-token-file FILE; it copies the token to where only the service can read it."), null);
            }
            var said = $"{_path}: {options.Hostname}{(options.Pool is { } pool ? $" in pool {pool}" : "")}, at {options.Url}";
            return (File.Exists(_path) && settings["EnrolmentToken"] is not null && (File.GetUnixFileMode(_path) & UnixFileMode.OtherRead) != 0
                ? new CheckResult(step, Verdict.Warned, $"{said}. It holds the enrolment token, and everybody on the machine can read it.", $"Say: chmod o= {_path}")
                : Passed(step, said), options);
        }
        catch (ClientOptionsException e)
        {
            var missing = File.Exists(_path) ? "" : $"There is no {_path}. ";
            return (Failed(step, ExitCode.WrongUsage, $"{missing}{e.Message}",
                missing.Length > 0 ? "Say: sudo allocator install --url https://…" : $"Correct it in {_path}; docs/configuration.md has every setting."), null);
        }
        catch (Exception e) when (e is InvalidDataException or FormatException)
        {
            return (Failed(step, ExitCode.WrongUsage, $"{_path} is not JSON: {e.GetBaseException().Message}", "Correct it there: a comma or a quotation mark, most often."), null);
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            return (Failed(step, ExitCode.NotPermitted, $"{_path} cannot be read: {e.Message}", ForRoot), null);
        }
    }

    private async Task<CheckResult> StateFolderAsync(ClientOptions options, CancellationToken cancel)
    {
        const string step = "state folder";
        var folder = options.StateFolder;
        if (!Directory.Exists(folder))
        {
            return folder == InstalledFiles.StateFolder && config is null
                ? Passed(step, $"{folder} will be made by systemd when the service starts")
                : new CheckResult(step, Verdict.Warned, $"{folder} does not exist; the client makes it if it may.", $"Say: install -d -m 700 {folder}");
        }
        if (!await MayAsync("-w", folder, cancel) || !await MayAsync("-x", folder, cancel))
        {
            return Failed(step, ExitCode.Machine, $"{Who} cannot write to {folder}: after a restart it would not know its token nor whom it has.",
                $"Say: chown -R {ServiceUser.Name}: {folder}; chmod 700 {folder}. If it is a read-only disk, set StateFolder.");
        }
        var space = new DriveInfo(folder).AvailableFreeSpace;
        return space < MinSpace
            ? Failed(step, ExitCode.Machine, $"{folder} has {space / 1024:N0} KiB left on its disk.", "Make room: what a hook or a person left behind is found by: du -xh / | sort -h | tail")
            : Passed(step, $"{folder}, {space / 1024 / 1024:N0} MiB free");
    }

    private static CheckResult MachineId(ClientOptions options) => IdOfMachine().IsMatch(options.MachineId) && options.MachineId != "uninitialized"
        ? Passed("machine id", options.MachineId)
        : Failed("machine id", ExitCode.Machine, $"'{options.MachineId}' tells this machine from no other.", "Say: systemd-machine-id-setup. In an image leave /etc/machine-id empty, so that each VM makes its own.");

    private CheckResult Proxy(Uri url)
    {
        const string step = "proxy";
        var ignored = _proxiesOfShell.Count == 0 ? "" : $" This shell's {string.Join(", ", _proxiesOfShell)} is not the service's.";
        var proxy = HttpClient.DefaultProxy.IsBypassed(url) ? null : HttpClient.DefaultProxy.GetProxy(url);
        var text = proxy is null ? "none" : proxy.GetComponents(UriComponents.SchemeAndServer, UriFormat.UriEscaped);
        return ignored.Length == 0
            ? Passed(step, text)
            : new CheckResult(step, Verdict.Warned, text + "." + ignored, $"If the service needs it, write it to {InstalledFiles.Environment} and restart the service.");
    }

    private static CheckResult Name(Probe probe) => probe.Stage > ConnectionStage.Nothing
        ? Passed("name", $"{probe.Peer!.Host} is {string.Join(", ", probe.Addresses.Take(4).Select(address => $"{address}"))}")
        : Failed("name", ExitCode.Unreachable, $"'{probe.Peer?.Host}' has no address: {Why(probe)}.",
            "Is the name in Url (or of the proxy) right? Which name server is asked: /etc/resolv.conf, resolvectl status. Try: getent hosts " + probe.Peer?.Host);

    private static CheckResult Connection(Probe probe) => probe.Stage > ConnectionStage.Name
        ? Passed("connection", $"{probe.ConnectedTo} accepts connections")
        : Failed("connection", ExitCode.Unreachable, $"Nobody accepts a connection at {probe.Peer?.Host}, port {probe.Peer?.Port}: {Why(probe)}.",
            probe.Failure?.GetBaseException() is SocketException { SocketErrorCode: SocketError.ConnectionRefused }
                ? "The machine is there, and nothing listens at that port: is the port right, and does the allocator (or the proxy) run?"
                : "A firewall or a security group drops it, or the machine is off: outgoing connections to that port must be allowed.");

    private static CheckResult Clock(Probe probe)
    {
        const string step = "clock";
        if (probe.ClockAhead is not { } ahead)
        {
            return new CheckResult(step, Verdict.Skipped, "nobody to compare it with");
        }
        var text = $"{ahead.Duration():d\\.hh\\:mm\\:ss} {(ahead > TimeSpan.Zero ? "ahead of" : "behind")} {probe.Peer!.Host}'s";
        const string cure = "Say: timedatectl set-ntp true, and look at it with: timedatectl timesync-status. TLS and the times in logs depend on it.";
        return ahead.Duration() > TooFarOff ? Failed(step, ExitCode.Machine, $"This machine's clock is {text}.", cure)
            : ahead.Duration() > Off ? new CheckResult(step, Verdict.Warned, $"This machine's clock is {text}.", cure)
            : Passed(step, $"within {Off.TotalSeconds:0} s of {probe.Peer!.Host}'s");
    }

    private CheckResult Tls(Probe probe, Uri url)
    {
        const string step = "TLS";
        if (url.Scheme != Uri.UriSchemeHttps)
        {
            return url.IsLoopback
                ? new CheckResult(step, Verdict.Skipped, "Url is http, on this machine")
                : new CheckResult(step, Verdict.Warned, "Url is http: the VM's token, who has the VM and the code of their desktop can be read on the way.", "Set Url to the allocator's https address.");
        }
        if (probe.Certificate is not { } certificate)
        {
            return Failed(step, ExitCode.Unreachable, $"No TLS came about: {Why(probe)}.", (probe.Failure as HttpRequestException)?.HttpRequestError == HttpRequestError.ProxyTunnelError
                ? "The proxy does not let it through: it must allow CONNECT to the allocator's host and port, without a password or with one in its address."
                : "Does what listens at that port speak TLS at all, and 1.2 or newer? Try: openssl s_client -connect " + $"{url.Host}:{url.Port}");
        }
        List<(string What, string Cure)> wrong = [];
        var now = time.GetUtcNow().UtcDateTime;
        if (certificate.NotAfter.ToUniversalTime() < now)
        {
            wrong.Add(($"it expired on {Output.Time(certificate.NotAfter.ToUniversalTime())}", "Renew the certificate at the allocator's load balancer, unless this machine's clock is wrong."));
        }
        else if (certificate.NotBefore.ToUniversalTime() > now)
        {
            wrong.Add(($"it is valid only from {Output.Time(certificate.NotBefore.ToUniversalTime())} on", "This machine's clock is behind, most likely: see there."));
        }
        else if (probe.ChainErrors.HasFlag(X509ChainStatusFlags.NotTimeValid))
        {
            wrong.Add(("a certificate in its chain has expired", "Renew the chain at the allocator's load balancer, or this machine's CA certificates: apt-get install --only-upgrade ca-certificates"));
        }
        if (probe.CertificateErrors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
        {
            wrong.Add(($"it is for {Names(certificate)}, not for {url.Host}", "Set Url to a name that the certificate has, or get a certificate for this one. Behind a captive portal or a proxy that breaks TLS it is theirs."));
        }
        if ((probe.ChainErrors & (X509ChainStatusFlags.UntrustedRoot | X509ChainStatusFlags.PartialChain)) != 0)
        {
            wrong.Add(($"this machine does not know who signed it: {certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: true)}",
                "If that CA is yours, put its certificate into /usr/local/share/ca-certificates/ (as .crt) and say: update-ca-certificates. If ca-certificates is not installed, install it."));
        }
        if (wrong.Count == 0 && probe.CertificateErrors != SslPolicyErrors.None)
        {
            wrong.Add(($"it is not valid: {probe.CertificateErrors}, {probe.ChainErrors}", "Try: openssl s_client -connect " + $"{url.Host}:{url.Port}"));
        }
        return wrong.Count > 0
            ? Failed(step, ExitCode.Unreachable, $"The certificate of {url.Host} is refused: {string.Join("; ", wrong.Select(one => one.What))}.", string.Join(" ", wrong.Select(one => one.Cure)))
            : Passed(step, $"a certificate for {Names(certificate)} by {certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: true)}, until {Output.Time(certificate.NotAfter.ToUniversalTime())}");
    }

    private static CheckResult Http(Probe probe, Uri url)
    {
        const string step = "HTTP";
        if (probe.Response is not { } response)
        {
            return Failed(step, ExitCode.Unreachable, $"What listens there does not answer as an HTTP server: {Why(probe)}.", "Is the port in Url right, and is it http or https?");
        }
        var status = $"{(int)response.StatusCode} {response.ReasonPhrase}";
        return response.StatusCode switch
        {
            >= HttpStatusCode.MultipleChoices and < HttpStatusCode.BadRequest => Failed(step, ExitCode.Unreachable, $"{status} to {response.Headers.Location}.",
                response.Headers.Location is { IsAbsoluteUri: true, Scheme: "https" } better && better.Host == url.Host && url.Scheme == "http"
                    ? $"The allocator wants https: set Url to https://{better.Authority}"
                    : "The allocator never redirects: this is a captive portal, which wants somebody to sign in first, or another site. Let the VM's network out without it."),
            HttpStatusCode.ProxyAuthenticationRequired => Failed(step, ExitCode.Unreachable, $"{status}: the proxy wants a password.", $"Write the proxy as http://user:password@host:port to {InstalledFiles.Environment} (mode 0600)."),
            HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout => Failed(step, ExitCode.Unreachable, $"{status}: a load balancer or a proxy answers, and behind it nobody does.",
                "This VM is well: the allocator is down. Its own log, and /health/ready, say why. VMs wait, and come back by themselves."),
            _ when response.Content.Headers.ContentType?.MediaType == "text/html" || probe.Body.TrimStart().StartsWith('<') => Failed(step, ExitCode.Unreachable, $"{status}, with a web page: {Title(probe.Body)}.",
                "That is a captive portal, which wants somebody to sign in first, or another site. Let the VM's network out without it; is Url right?"),
            _ => Passed(step, status),
        };
    }

    private static CheckResult Allocator(Probe probe) => probe is { Response.StatusCode: HttpStatusCode.OK, Body: "live" }
        ? Passed("allocator", "/health/live is the allocator's")
        : Failed("allocator", ExitCode.Unreachable, $"What answers is not an allocator: {(int?)probe.Response?.StatusCode} for {probe.Response?.RequestMessage?.RequestUri?.AbsolutePath}.",
            "Is Url right, with its path, where the allocator has one?");

    /// <summary>
    /// An empty report changes nothing and needs the VM's token; an enrolment without a name is refused for that, but only
    /// after its token was accepted.
    /// </summary>
    private static async Task<CheckResult> TokenAsync(ClientOptions options, CancellationToken cancel)
    {
        const string step = "token";
        var path = Path.Combine(options.StateFolder, "token");
        string? own;
        try
        {
            own = File.Exists(path) ? (await File.ReadAllTextAsync(path, cancel)).Trim() : null;
        }
        catch (UnauthorizedAccessException)
        {
            return Failed(step, ExitCode.NotPermitted, $"{path} cannot be read.", ForRoot);
        }
        string? enrolment;
        try
        {
            enrolment = options.EnrolmentToken is { } source ? await source(cancel) : null;
        }
        catch (Exception e) when (!cancel.IsCancellationRequested)
        {
            return Failed(step, ExitCode.Credentials, $"The enrolment token cannot be had: {e.Message}", "Look at where the settings say that it comes from.");
        }
        try
        {
            if (own is not null)
            {
                var answer = await AskAsync(HttpMethod.Put, At(options, $"/vms/{options.Hostname}/report"), own, cancel);
                if (answer is not (HttpStatusCode.Unauthorized or HttpStatusCode.NotFound or HttpStatusCode.Forbidden))
                {
                    return answer switch
                    {
                        HttpStatusCode.NoContent => Passed(step, $"the allocator knows {options.Hostname} by its own token"),
                        HttpStatusCode.Gone => Failed(step, ExitCode.Refused, $"An admin has deleted {options.Hostname}.", "It gets nobody any more. To bring it back: remove " + path + ", and restart the service with an enrolment token."),
                        _ => Unclear(answer),
                    };
                }
                if (enrolment is null)
                {
                    return Failed(step, ExitCode.Credentials, answer == HttpStatusCode.Forbidden
                            ? $"The token in {path} is another VM's, not {options.Hostname}'s."
                            : $"The allocator does not accept the token in {path}: another machine enrolled as {options.Hostname}, or the allocator's database was made anew.",
                        "Say: sudo allocator install --enrolment-token-file FILE; with it the VM enrols again.");
                }
            }
            if (enrolment is null)
            {
                return Failed(step, ExitCode.Credentials, "The VM is not enrolled, and has no enrolment token.", "Say: sudo allocator install --enrolment-token-file FILE");
            }
            return await AskAsync(HttpMethod.Post, At(options, "/vms"), enrolment, cancel) switch
            {
                HttpStatusCode.BadRequest => own is null
                    ? Passed(step, "not enrolled yet; the allocator accepts the enrolment token")
                    : new CheckResult(step, Verdict.Warned, "The allocator does not accept this VM's own token any more, but the enrolment token: the client enrols again with its next poll.",
                        "Does it happen again and again? Then two machines have the same host name."),
                HttpStatusCode.Unauthorized => Failed(step, ExitCode.Credentials, "The allocator does not accept the enrolment token.",
                    "Get the one that is valid now, and say: sudo allocator install --enrolment-token-file FILE"),
                var answer => Unclear(answer),
            };
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException && !cancel.IsCancellationRequested)
        {
            return Failed(step, ExitCode.Unreachable, $"No answer: {e.GetBaseException().Message}", "Ask again.");
        }

        static CheckResult Unclear(HttpStatusCode answer) => Failed(step, ExitCode.Unreachable, $"The allocator answered {(int)answer} {answer}: it cannot say now.",
            "This VM is well. The allocator's own log says what it lacks, such as its database.");
    }

    private static async Task<HttpStatusCode> AskAsync(HttpMethod method, Uri url, string token, CancellationToken cancel)
    {
        // As the client itself connects: no redirect is followed, no certificate is passed over.
        using var http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false }) { Timeout = Timeout };
        using var request = new HttpRequestMessage(method, url) { Content = new StringContent("{}", Encoding.UTF8, "application/json") };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var response = await http.SendAsync(request, cancel);
        return response.StatusCode;
    }

    private async Task<List<CheckResult>> HooksAsync(ClientOptions options, CancellationToken cancel)
    {
        var findings = new List<CheckResult>();
        foreach (var (name, command) in new[] { ("assigned hook", options.AssignedHook), ("released hook", options.ReleasedHook), ("contact hook", options.LostContactHook) })
        {
            findings.Add(command.Count == 0 ? new CheckResult(name, Verdict.Skipped, "none: nothing has to be done") : await HookAsync(name, command[0], cancel));
        }
        return findings;
    }

    private async Task<CheckResult> HookAsync(string step, string program, CancellationToken cancel)
    {
        var path = Path.IsPathRooted(program)
            ? program
            : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
        if (path is null || !File.Exists(path))
        {
            return Failed(step, ExitCode.Hook, $"There is no program {program}.", "Is it misspelt? Name it with its whole path, and its arguments as further words of the list.");
        }
        if (!await MayAsync("-x", path, cancel))
        {
            return Failed(step, ExitCode.Hook, $"{Who} cannot run {path}.", $"Say: chmod 755 {path}. The folders above it must let the service in, too.");
        }
        if (Interpreter(path) is { } interpreter && !File.Exists(interpreter))
        {
            return Failed(step, ExitCode.Hook, $"{path} is to be run by {interpreter}, which does not exist.",
                interpreter.EndsWith('\r') ? $"It was written on Windows. Say: sed -i 's/\\r$//' {path}" : "Install it, or correct the first line of the hook.");
        }
        return (File.GetUnixFileMode(path) & UnixFileMode.OtherWrite) != 0
            ? new CheckResult(step, Verdict.Warned, $"{path} can be changed by everybody on this VM, so by the person who has it.", $"Say: chmod o-w {path}")
            : Passed(step, path);
    }

    private async Task<CheckResult> ServiceAsync(CancellationToken cancel)
    {
        const string step = "service";
        if (config is not null)
        {
            return new CheckResult(step, Verdict.Skipped, "not looked at with --config");
        }
        return await ServiceUnit.ReadAsync(cancel) switch
        {
            null => new CheckResult(step, Verdict.Skipped, "systemd does not run here"),
            { LoadState: not "loaded" } => Failed(step, ExitCode.Service, $"There is no {ServiceUnit.Name}.", "Say: sudo allocator install --url https://…"),
            { UnitFileState: not "enabled" } unit => Failed(step, ExitCode.Service, $"{ServiceUnit.Name} is {unit.UnitFileState}: it would not start with the next boot.", $"Say: systemctl enable --now {ServiceUnit.Name}"),
            { IsActive: true } unit => Passed(step, $"enabled, {unit.ActiveState} since {unit.ActiveSince}"),
            var unit => Failed(step, ExitCode.Service, $"{ServiceUnit.Name} is {unit.ActiveState} ({unit.SubState}).", $"Say: systemctl restart {ServiceUnit.Name}; why it ended: journalctl -u {ServiceUnit.Name} -n 50"),
        };
    }

    /// <summary>Whom the checks of files are about.</summary>
    private string Who => _asksForService ? $"The service's user {ServiceUser.Name}" : Environment.UserName;

    private Task<bool> MayAsync(string what, string path, CancellationToken cancel) => _asksForService
        ? IsTrueAsync("runuser", ["-u", ServiceUser.Name, "--", "test", what, path], cancel)
        : IsTrueAsync("test", [what, path], cancel);

    private static async Task<bool> IsTrueAsync(string program, string[] arguments, CancellationToken cancel) =>
        await ExternalProgram.RunAsync(program, arguments, cancel) is { Succeeded: true };

    private static Uri At(ClientOptions options, string path) => new(options.Url.GetLeftPart(UriPartial.Path).TrimEnd('/') + path);

    private static string Why(Probe probe) => probe.Failure?.GetBaseException().Message.TrimEnd('.') ?? "nothing came";

    private static string Names(X509Certificate2 certificate)
    {
        var names = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>()
            .SelectMany(extension => extension.EnumerateDnsNames().Concat(extension.EnumerateIPAddresses().Select(address => $"{address}")))
            .ToArray();
        return names.Length == 0 ? certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false) : string.Join(", ", names.Take(4)) + (names.Length > 4 ? ", …" : "");
    }

    private static string Title(string page) => PageTitle().Match(page) is { Success: true } match
        ? $"'{new string([.. WebUtility.HtmlDecode(match.Groups[1].Value).Trim().Where(c => !char.IsControl(c)).Take(80)])}'"
        : "it has no title";

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

    private static CheckResult Passed(string step, string text) => new(step, Verdict.Passed, text);

    private static CheckResult Failed(string step, ExitCode code, string text, string cure) => new(step, Verdict.Failed, text, cure) { Code = code };

    [GeneratedRegex("^[A-Za-z0-9._:-]{1,128}$")]
    private static partial Regex IdOfMachine();

    [GeneratedRegex("<title[^>]*>(.*?)</title>", RegexOptions.IgnoreCase | RegexOptions.Singleline)]
    private static partial Regex PageTitle();
}
