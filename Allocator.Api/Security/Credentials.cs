using System.Security.Cryptography;
using System.Text;
using Allocator.Api.Settings;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.Options;

namespace Allocator.Api.Security;

/// <summary>The section <c>Admin</c> of the configuration. It contains only hashes, which <c>Allocator.Api hash-password</c> and
/// <c>new-key</c> create.</summary>
internal sealed class AdminOptions
{
    public const string Section = "Admin";

    [Secret]
    [Setting("`Admin:Users:<name>`: the password hash of an admin. At least one user or API key must be set.",
        Accepts = "hashes from `Allocator.Api hash-password`")]
    public Dictionary<string, string> Users { get; set; } = [];

    [Secret]
    [Setting("`Admin:ApiKeys:<name>`: the SHA-256 of a program's API key (64 hexadecimal digits); events record the name.",
        Accepts = "hashes from `Allocator.Api new-key`")]
    public Dictionary<string, string> ApiKeys { get; set; } = [];

    internal sealed class Validator : IValidateOptions<AdminOptions>
    {
        public ValidateOptionsResult Validate(string? name, AdminOptions options)
        {
            var problems = new SettingProblems(Section);
            foreach (var (user, hash) in options.Users)
            {
                problems.Require(Convert.TryFromBase64String(hash, new byte[hash.Length], out var length) && length > 16,
                    $"Users:{user}", "(hidden)", "the output of 'Allocator.Api hash-password'");
            }
            foreach (var (key, hash) in options.ApiKeys)
            {
                problems.Require(Credentials.IsSha256(hash), $"ApiKeys:{key}", "(hidden)",
                    "64 hexadecimal digits, as 'Allocator.Api new-key' prints them");
            }
            problems.Require(options.Users.Count + options.ApiKeys.Count > 0, "Users:<name>", "",
                "set for at least one admin, to the output of 'Allocator.Api hash-password'");
            return problems.Result;
        }
    }
}

/// <summary>The section <c>Enrolment</c> of the configuration.</summary>
internal sealed class EnrolmentOptions
{
    public const string Section = "Enrolment";

    [Secret]
    [Setting("`Enrolment:TokenHashes:<n>`: the SHA-256 of an enrolment token of the whole deployment. Set at least one, "
        + "and several while one replaces another. `POST /enrolment-tokens` creates tokens for single machines.",
        Accepts = "hashes from `Allocator.Api new-key`")]
    public List<string> TokenHashes { get; set; } = [];

    internal sealed class Validator : IValidateOptions<EnrolmentOptions>
    {
        public ValidateOptionsResult Validate(string? name, EnrolmentOptions options)
        {
            var problems = new SettingProblems(Section);
            problems.Require(options.TokenHashes.Count > 0, "TokenHashes:0", "",
                "set: 64 hexadecimal digits, as 'Allocator.Api new-key' prints them");
            for (var i = 0; i < options.TokenHashes.Count; i++)
            {
                problems.Require(Credentials.IsSha256(options.TokenHashes[i]), $"TokenHashes:{i}", "(hidden)",
                    "64 hexadecimal digits, as 'Allocator.Api new-key' prints them");
            }
            return problems.Result;
        }
    }
}

/// <summary>Checks what admins and enrolling machines present against the configured hashes.</summary>
internal sealed class Credentials(IOptions<AdminOptions> admin, IOptions<EnrolmentOptions> enrolment, IPasswordHasher<string> hasher) : IDisposable
{
    private static readonly TimeSpan CacheDuration = TimeSpan.FromMinutes(5);

    private readonly (string Name, byte[] Hash)[] _apiKeys = [.. admin.Value.ApiKeys.Select(key => (key.Key, Convert.FromHexString(key.Value)))];
    private readonly byte[][] _enrolmentTokens = [.. enrolment.Value.TokenHashes.Select(Convert.FromHexString)];

    // A password hash is slow on purpose. Only one is computed at a time, so that polls keep the processor while somebody
    // guesses passwords. Each success is cached briefly, under a key that is useless outside this process.
    private readonly SemaphoreSlim _singleHash = new(1);
    private readonly MemoryCache _verified = new(new MemoryCacheOptions { SizeLimit = 1_000 });
    private readonly byte[] _secret = RandomNumberGenerator.GetBytes(32);

    // This hash is compared for unknown names, so that a wrong name takes as long as a wrong password.
    private readonly string _hashForUnknownNames = hasher.HashPassword("", VmToken.RandomSecret());

    public static string HashPassword(string password) => new PasswordHasher<string>().HashPassword("", password);

    public static string HashKey(string key) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));

    public static bool IsSha256(string text) => text.Length == 64 && text.All(char.IsAsciiHexDigit);

    public async Task<bool> IsPasswordAsync(string name, string password, CancellationToken cancel)
    {
        var presented = Convert.ToBase64String(HMACSHA256.HashData(_secret, Encoding.UTF8.GetBytes($"{name}:{password}")));
        if (_verified.TryGetValue(presented, out _))
        {
            return true;
        }
        await _singleHash.WaitAsync(cancel);
        try
        {
            if (_verified.TryGetValue(presented, out _))
            {
                return true;
            }
            var known = admin.Value.Users.TryGetValue(name, out var hash);
            var right = hasher.VerifyHashedPassword("", hash ?? _hashForUnknownNames, password) != PasswordVerificationResult.Failed && known;
            if (right)
            {
                _verified.Set(presented, true, new MemoryCacheEntryOptions { Size = 1, AbsoluteExpirationRelativeToNow = CacheDuration });
            }
            return right;
        }
        finally
        {
            _singleHash.Release();
        }
    }

    /// <summary>Returns the name under which this API key is configured, or null.</summary>
    public string? OwnerOfApiKey(string key)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(key));
        string? owner = null;
        foreach (var (name, expected) in _apiKeys)
        {
            owner = CryptographicOperations.FixedTimeEquals(hash, expected) ? name : owner;
        }
        return owner;
    }

    public bool IsEnrolmentToken(ReadOnlySpan<char> token)
    {
        var hash = TokenHash.Of(token).ToArray();
        var found = false;
        foreach (var expected in _enrolmentTokens)
        {
            found |= CryptographicOperations.FixedTimeEquals(hash, expected);
        }
        return found;
    }

    public void Dispose()
    {
        _singleHash.Dispose();
        _verified.Dispose();
    }
}
