import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.errors.TopicExistsException;

import com.datastax.oss.driver.api.core.CqlSession;
import com.datastax.oss.driver.api.core.config.DefaultDriverOption;
import com.datastax.oss.driver.api.core.config.DriverConfigLoader;

/**
 * Makes what has to exist inside the services, with their official clients, so that nobody writes a wire protocol by hand
 * and no command line client has to be installed. Everything may be done again.
 *
 * <pre>
 * Setup kafka     HOST:PORT ENV TOPICS_FILE
 * Setup cassandra HOST:PORT CQL_FILE
 * Setup postgres  HOST:PORT DATABASE (SQL on standard input, as the superuser)
 * </pre>
 */
public final class Setup {
    private Setup() {}

    public static void main(String[] arguments) throws Exception {
        String service = arguments.length == 0 ? "" : arguments[0];
        switch (service) {
            case "kafka" -> topics(arguments[1], arguments[2], Path.of(arguments[3]));
            case "cassandra" -> tables(arguments[1], Path.of(arguments[2]));
            case "postgres" -> sql(arguments[1], arguments[2], new String(System.in.readAllBytes()));
            default -> throw new IllegalArgumentException("unknown service: " + service);
        }
        // Drivers keep threads that would delay the end by seconds.
        System.exit(0);
    }

    private static void topics(String broker, String env, Path file) throws Exception {
        List<NewTopic> wanted = new ArrayList<>();
        for (String line : Files.readAllLines(file)) {
            String[] words = line.replaceFirst("#.*", "").strip().split("\\s+");
            if (words.length >= 2) {
                wanted.add(topic(env, words));
            }
        }
        try (Admin admin = Admin.create(Map.<String, Object>of(AdminClientConfig.BOOTSTRAP_SERVERS_CONFIG, broker))) {
            for (var made : admin.createTopics(wanted).values().values()) {
                try {
                    made.get();
                } catch (ExecutionException error) {
                    if (!(error.getCause() instanceof TopicExistsException)) {
                        throw error;
                    }
                }
            }
        }
    }

    private static NewTopic topic(String env, String[] words) {
        Map<String, String> settings = new HashMap<>(Map.of("cleanup.policy", "delete"));
        for (String setting : Arrays.copyOfRange(words, 2, words.length)) {
            String[] pair = setting.split("=", 2);
            settings.put(pair[0], pair[1]);
        }
        return new NewTopic(env + "." + words[0], Integer.parseInt(words[1]), (short) 1).configs(settings);
    }

    private static void tables(String node, Path file) throws IOException {
        // A first schema change on a busy machine takes longer than the two seconds that the driver allows.
        DriverConfigLoader patience = DriverConfigLoader.programmaticBuilder()
                .withDuration(DefaultDriverOption.REQUEST_TIMEOUT, Duration.ofSeconds(30))
                .withDuration(DefaultDriverOption.CONNECTION_INIT_QUERY_TIMEOUT, Duration.ofSeconds(30))
                .withDuration(DefaultDriverOption.CONTROL_CONNECTION_TIMEOUT, Duration.ofSeconds(30))
                // A close would otherwise wait two seconds for calls that nobody makes.
                .withInt(DefaultDriverOption.NETTY_IO_SHUTDOWN_QUIET_PERIOD, 0)
                .withInt(DefaultDriverOption.NETTY_ADMIN_SHUTDOWN_QUIET_PERIOD, 0)
                .build();
        String statements = Files.readString(file).replaceAll("(?m)--.*$", "");
        try (CqlSession session = CqlSession.builder()
                .addContactPoint(address(node))
                .withLocalDatacenter("datacenter1")
                .withConfigLoader(patience)
                .build()) {
            for (String statement : statements.split(";")) {
                if (!statement.isBlank()) {
                    session.execute(statement.strip());
                }
            }
        }
    }

    private static void sql(String server, String database, String statements) throws SQLException {
        Properties superuser = new Properties();
        superuser.setProperty("user", "postgres");
        try (Connection connection = DriverManager.getConnection("jdbc:postgresql://" + server + "/" + database, superuser);
                Statement statement = connection.createStatement()) {
            statement.execute(statements);
        }
    }

    private static InetSocketAddress address(String node) {
        int colon = node.lastIndexOf(':');
        return new InetSocketAddress(node.substring(0, colon), Integer.parseInt(node.substring(colon + 1)));
    }
}
