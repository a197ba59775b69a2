using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Allocator.Tests.Infrastructure;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Allocator.Tests.Client;

/// <summary>A certificate authority that no system trusts, and servers with its certificates.</summary>
internal sealed class OwnAuthority : IDisposable
{
    private static readonly DateTimeOffset Now = TimeProvider.System.GetUtcNow();

    private readonly string _folder = Directory.CreateTempSubdirectory("allocator-ca-").FullName;
    private readonly X509Certificate2 _root;

    public OwnAuthority()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=Workshop CA", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        _root = request.CreateSelfSigned(Now.AddDays(-100), Now.AddDays(100));
        File.WriteAllText(CaFile, _root.ExportCertificatePem());
    }

    /// <summary>Gets the file with the certificate of the authority.</summary>
    public string CaFile => Path.Combine(_folder, "ca.pem");

    /// <summary>Starts a real web server with TLS for this name, which answers each request with this handler.</summary>
    public async Task<WebApplication> ServeAsync(string name, RequestDelegate answer, int validFromDays = -1, int validToDays = 1)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseKestrel(kestrel =>
            kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(Issue(name, validFromDays, validToDays))));
        builder.Logging.ClearProviders().AddProvider(new TestOutput());
        var app = builder.Build();
        app.Run(answer);
        await app.StartAsync();
        return app;
    }

    public static int Port(WebApplication app) => new Uri(app.Urls.Single()).Port;

    public void Dispose()
    {
        _root.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private X509Certificate2 Issue(string name, int fromDays, int toDays)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.Create(_root, Now.AddDays(fromDays), Now.AddDays(toDays), RandomNumberGenerator.GetBytes(8));
        using var withKey = certificate.CopyWithPrivateKey(key);
        return X509CertificateLoader.LoadPkcs12(withKey.Export(X509ContentType.Pfx), null);
    }
}
